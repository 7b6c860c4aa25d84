import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { currentOf, identityOf, openerOf, retireIdentities, rotateIdentity } from '../../../activities/vault.ts';
import { isCiphertext } from '../../../plan/sealed.ts';
import { type ClusterState, isPending } from '../../../workflows/contract.ts';
import { type At, readSpec, stateOf, withTemporal, writeJson } from '../../command.ts';
import type { Farweave } from '../../connection.ts';
import { locked } from '../../dev/state.ts';
import { EXIT, Failure } from '../../errors.ts';
import { count } from '../../format.ts';
import { status } from '../../index.ts';
import { clusters, reseal } from '../../moving.ts';
import { waiting } from '../../waiting.ts';

interface Options {
  readonly retire?: boolean;
  readonly force?: boolean;
}

/** What keeps the former identity from being retired, of a cluster or of the cluster file. */
interface Open {
  readonly of: string;
  readonly what: string;
}

/** Sealed texts by the names of their secrets. */
type Given = readonly (readonly [name: string, text: string])[];

/** Gives the workers a new identity beside the one they have, and seals what clusters keep for it; `retire` ends the former one. */
export async function rotateSecrets(at: At, { retire = false, force = false }: Options): Promise<number> {
  const state = stateOf(at);
  if ((await identityOf(state)) === undefined) {
    throw new Failure(`There is no identity of workers in ${state}.`, {
      hint: 'Run this where the workers are, with --state and their state folder.',
    });
  }
  const given = await inFile(at);
  return await withTemporal(at, (farweave) =>
    locked(state, () => (retire ? retired(at, farweave, given, { force }) : rotated(at, farweave, given))),
  );
}

/** Nothing is lost wherever it ends: both identities stay, and the next call goes on. */
async function rotated(at: At, farweave: Farweave, given: Given): Promise<number> {
  const recipient = await rotateIdentity(stateOf(at));
  const sealed: Record<string, number> = {};
  await waiting(at.io, 'Sealing anew', async (report) => {
    for (const cluster of await ours(farweave)) {
      report(cluster);
      const answer = await reseal(farweave, cluster);
      if (answer.recipient !== undefined && answer.recipient !== recipient) throw elsewhere(at, answer.recipient);
      sealed[cluster] = answer.sealed;
      if (answer.lost.length > 0)
        at.io.err.write(`${cluster}: no identity here opens ${answer.lost.join(', ')}; it stays as it is.\n`);
    }
  });
  const open = await openOf(at, farweave, given);
  if (at.global.json) writeJson(at, { recipient, sealed, open });
  else at.io.out.write(`${told(at, { recipient, sealed, open }).join('\n')}\n`);
  return EXIT.ok;
}

function told(
  { self }: At,
  { recipient, sealed, open }: { recipient: string; sealed: Readonly<Record<string, number>>; open: readonly Open[] },
): readonly string[] {
  return [
    `The workers have a new identity. Seal for ${recipient} from now on, also where $FARWEAVE_RECIPIENT is set.`,
    ...Object.entries(sealed).map(([cluster, number]) => `${cluster}: ${count(number, 'secret')} sealed anew.`),
    'The former identity is kept, and opens what was sealed for it. To be done before it can go:',
    ...open.map(({ of, what }) => `  ${of}: ${what}`),
    `  ${self} secrets rotate --retire    then`,
    'Whoever has had the former identity may know the secrets themselves: those are to be changed where they are used.',
  ];
}

async function retired(
  at: At,
  farweave: Farweave,
  given: Given,
  { force }: { readonly force: boolean },
): Promise<number> {
  const state = stateOf(at);
  const open = await openOf(at, farweave, given);
  if (open.length > 0 && !force) {
    throw new Failure('The former identity is needed still.', {
      details: open.map(({ of, what }) => `${of}: ${what}`),
      hint: 'With --force it goes all the same, and what was sealed for it with it.',
    });
  }
  await retireIdentities(state);
  if (at.global.json) writeJson(at, { retired: true, former: resolve(state, 'identity.former') });
  else
    at.io.out.write(
      `Workers open what is sealed for their present identity, and nothing else. Those before are in ${resolve(state, 'identity.former')}: ` +
        'remove the file when no other server and no older copy of a cluster needs them.\n',
    );
  return EXIT.ok;
}

/** What only a former identity opens. */
async function openOf(at: At, farweave: Farweave, given: Given): Promise<readonly Open[]> {
  const opens = openerOf(currentOf((await identityOf(stateOf(at))) ?? ''));
  const again = await closed(given, opens);
  const found: Open[] =
    again.length > 0 ? [{ of: at.global.file, what: `seal again (farweave secrets seal): ${again.join(', ')}` }] : [];
  for (const cluster of await ours(farweave)) {
    const known = await status(farweave, cluster);
    if (!known) continue;
    const foreign = await closed(Object.entries(known.sealed), opens);
    if (foreign.length > 0) found.push({ of: cluster, what: `sealed for the former identity: ${foreign.join(', ')}` });
    found.push(...underWay(known).map((what) => ({ of: cluster, what })));
  }
  return found;
}

/** What has brought secrets along that were sealed before, or left them on hosts. */
function underWay({
  rollout,
  queued,
  requests = [],
  resealed,
  revisions = [],
}: Pick<ClusterState, 'rollout' | 'queued' | 'requests' | 'resealed' | 'revisions'>): readonly string[] {
  const isCopied =
    resealed === undefined || revisions.some((each) => each.revision > resealed && each.state === 'done');
  return [
    ...(rollout ? [`revision ${rollout.revision} runs: let it end`] : []),
    ...(queued ? ['an apply waits for its turn: let it end'] : []),
    ...(requests.some(isPending) ? ['a change of hosts waits: let it end'] : []),
    ...(isCopied ? [] : ['its copies on hosts are from before: farweave apply renews them']),
  ];
}

/** The clusters that workers with this identity serve. */
async function ours(farweave: Farweave): Promise<readonly string[]> {
  const all = await clusters(farweave);
  return all.filter(({ taskQueue }) => taskQueue === farweave.taskQueue).map(({ cluster }) => cluster);
}

/** What stands sealed in the cluster file, if there is one here. */
async function inFile(at: At): Promise<Given> {
  if (!existsSync(resolve(at.io.cwd, at.global.file))) return [];
  const { secrets } = await readSpec(at);
  return Object.entries(secrets).flatMap(([name, from]) => ('age' in from ? [[name, from.age] as const] : []));
}

async function closed(sealed: Given, opens: (sealed: string) => Promise<string>): Promise<readonly string[]> {
  const tried = sealed.map(async ([name, text]) => {
    if (!isCiphertext(text)) return [];
    return opens(text).then(
      () => [],
      () => [name],
    );
  });
  return (await Promise.all(tried)).flat();
}

function elsewhere(at: At, recipient: string): Failure {
  return new Failure(`A worker seals for ${recipient}: it has another identity than ${stateOf(at)}.`, {
    details: ['Nothing is lost: both identities are kept, and what is sealed can be opened as before.'],
    hint: 'Give all workers the file identity of this folder, restart them, and call this again.',
  });
}
