import * as z from 'zod';
import type { No } from '../roles/operation.ts';
import { type Command, type Output, type Script, sh } from '../ssh/command.ts';

/** Beside the receipts, and dropped with them. */
const FOLDER = '/var/lib/farweave/before';
const fileOf = (receipt: string) => `${FOLDER}/${receipt}`;

/**
 * What an attempt had found before it changed anything.
 * Scripts are made from it: with it a later attempt writes the same script again, and so follows the job that is there.
 * What it would find itself, half-way through the change, may be something else.
 */
export interface Before {
  readonly generation: number;
  readonly verdict: No;
}

const Before = z.object({ generation: z.number(), now: z.string(), wanted: z.string() });

/** Asks what the last attempt at a step had found. */
export const asking = (receipt: string): Command => sh`cat ${fileOf(receipt)} 2>/dev/null`;

/** The answer, if there has been one. */
export function parse({ exitCode, stdout }: Output): Before | undefined {
  // A host that lost its power as it wrote may have kept the name and not the text: then nothing had begun.
  if (exitCode !== 0 || stdout === '') return undefined;
  const { generation, now, wanted } = Before.parse(JSON.parse(stdout));
  return { generation, verdict: { is: 'no', now, wanted } };
}

/** The change, with what was found before written down first. The first command that fails ends it. */
export function noting(receipt: string, { generation, verdict: { now, wanted } }: Before, change: Script): Script {
  const file = fileOf(receipt);
  const note = sh`mkdir -p -m 0700 ${file.slice(0, file.lastIndexOf('/'))}
printf %s ${JSON.stringify({ generation, now, wanted } satisfies z.infer<typeof Before>)} > ${file}.new
sync ${file}.new
mv -f ${file}.new ${file}`;
  return { ...change, text: `set -eu\n${note.text}\n${change.text}` };
}

/** Drops what the attempts of a rollout have left. */
export const forget = (rollout: string): Command => sh`rm -rf ${fileOf(rollout)}`;
