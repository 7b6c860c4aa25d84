import { unknown, type Verdict } from '../roles/operation.ts';

/** Bytes. Other hosts are given every fact of every host. */
const FACT = 256;
/** Characters of what a person reads of a state. */
const WORDS = 500;

/**
 * A verdict that a history and other hosts can bear, whatever the host has answered: a fact is one short line, since it
 * stands in files of other hosts, and what is and what should be are cut. `redact` comes before the cut, since it does not
 * know half a secret.
 */
export function bounded(verdict: Verdict, redact: (text: string) => string): Verdict {
  const cut = (words: string) => shortened(redact(words));
  const wild = Object.entries(verdict.facts ?? {}).find(
    ([, value]) => value === undefined || Buffer.byteLength(value) > FACT || /\p{Cc}/u.test(value),
  );
  if (wild) return unknown(`says of ${wild[0]} what is not one line of at most ${FACT} bytes`);
  if (verdict.is === 'unknown') return { ...verdict, why: cut(verdict.why) };
  return verdict.is === 'no' ? { ...verdict, now: cut(verdict.now), wanted: cut(verdict.wanted) } : verdict;
}

const shortened = (words: string) => (words.length > WORDS ? `${words.slice(0, WORDS).toWellFormed()}…` : words);
