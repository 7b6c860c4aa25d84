import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { identityOf, openerOf } from '../../../activities/vault.ts';
import { DIGEST_KEY, type Plan } from '../../../plan/plan.ts';
import type { Belongings, RecallResult } from '../../../workflows/contract.ts';
import { readClusterFile, readCopy } from '../../cluster-file.ts';
import { type At, readSpec, secretsOf, stateOf, withTemporal, writeJson } from '../../command.ts';
import { confirm } from '../../confirm.ts';
import type { Farweave } from '../../connection.ts';
import { EXIT, Failure } from '../../errors.ts';
import { clock, count, printable, table } from '../../format.ts';
import { draft } from '../../index.ts';
import { adopt, recall, resealed } from '../../moving.ts';
import { passphrase } from '../../passphrase.ts';
import { problemLines } from '../../report.ts';
import { waiting } from '../../waiting.ts';
import { whoAmI } from '../../who.ts';

interface Options {
  readonly fromHosts?: boolean;
  readonly withoutSecrets?: boolean;
  readonly force?: boolean;
  readonly yes?: boolean;
}

/** A cluster as it was found, and what opens its secrets. */
interface Found {
  readonly cluster: string;
  readonly state: Belongings;
  /** Where, as a phrase. */
  readonly from: string;
  readonly identity: string | undefined;
  /** Where the cluster's secrets come from, as far as the cluster file tells. */
  readonly sources?: Plan['secrets'];
}

/** Goes on here with a cluster that lived elsewhere: from a file, or from what its hosts have kept. */
export async function adoptCluster(at: At, file: string | undefined, options: Options): Promise<number> {
  if ((file === undefined) === !options.fromHosts) {
    throw new Failure(
      file === undefined ? 'Adopt what? No file was given.' : 'Adopt from the file, or from the hosts?',
      {
        hint: 'farweave cluster adopt FILE, or farweave cluster adopt --from-hosts.',
        exitCode: EXIT.badInput,
      },
    );
  }
  if (file === undefined) return await adoptFromHosts(at, options);
  const found = await inFile(at, file);
  return await withTemporal(at, (farweave) => takeUp(at, farweave, found, options));
}

async function inFile(at: At, file: string): Promise<Found> {
  const { cluster, state, identity, exported } = await readClusterFile(resolve(at.io.cwd, file), () =>
    passphrase(at.io),
  );
  const from = `a file that ${exported.by} wrote on ${clock(Date.parse(exported.at))}`;
  return { cluster, state, identity, from };
}

async function adoptFromHosts(at: At, options: Options): Promise<number> {
  const spec = await readSpec(at);
  const secrets = await (await secretsOf(at, spec, 'verify'))(undefined);
  const { plan } = draft(spec, undefined);
  // Before a worker starts, which would make one where none is left.
  const identity = await identityOf(stateOf(at));
  return await withTemporal(at, async (farweave) => {
    const asked = await waiting(at.io, 'Asking the hosts', () =>
      recall(farweave, plan, secrets, randomUUID().slice(0, 8)),
    );
    at.io.err.write(`${[...ownerLines(plan, asked), ...problemLines(asked.problems, at.io)].join('\n')}\n`);
    const { cluster, ...state } = readCopy(copyIn(plan, asked));
    const found = { cluster, state, identity, from: 'the copy on its hosts', sources: plan.secrets };
    return await takeUp(at, farweave, found, options);
  });
}

/** Who has which host. */
function ownerLines({ hosts }: Plan, asked: RecallResult): readonly string[] {
  const rows = hosts.flatMap(({ name }) => {
    const known = asked.hosts[name];
    if (!known) return [];
    const { owner, revision } = known;
    if (!owner) return [[name, 'nobody’s']];
    const { cluster, by, since, id } = owner;
    const copy = revision === undefined ? 'no copy' : `copy of revision ${revision}`;
    return [[name, `cluster ${cluster}`, `${by} since ${since.slice(0, 10)}`, copy, `id ${id}`]];
  });
  return table(rows.map((row) => row.map(printable)));
}

/** The newest copy, where the hosts agree on whose they are. */
function copyIn({ cluster }: Plan, { hosts, copy }: RecallResult): string {
  const owners = new Set(Object.values(hosts).flatMap(({ owner }) => (owner?.cluster === cluster ? [owner.id] : [])));
  if (owners.size === 0)
    throw new Failure(`No host that answers belongs to a cluster ${cluster}.`, {
      hint: 'Where nobody has rolled out onto them, there is nothing to adopt: farweave apply begins.',
    });
  if (owners.size > 1)
    throw new Failure(
      `${count(owners.size, 'owner')} of the name ${cluster} have these hosts, and one can be adopted.`,
      {
        hint: 'Leave the hosts of the others out of the cluster file.',
      },
    );
  if (copy === undefined)
    throw new Failure(`No host that answers has a copy of ${cluster}.`, {
      hint: 'A rollout leaves copies on some of its hosts when it ends. Bring those back that do not answer, or use an exported file.',
    });
  return copy;
}

async function takeUp(at: At, farweave: Farweave, found: Found, options: Options): Promise<number> {
  const { cluster, state, from, identity } = found;
  const open = identity === undefined ? () => Promise.reject(new Error('no identity')) : openerOf(identity);
  const { sealed, lost } = await resealed(state.sealed, open, await farweave.recipient());
  if (lost.length > 0 && !options.withoutSecrets) throw secretsLost(at, found, lost);
  if (at.io.canAsk && !options.yes && !(await agreed(at, found, lost))) return EXIT.failed;
  const request = { state: { ...state, sealed }, by: whoAmI(), from, ...(options.force && { force: true }) };
  const { revision, owner } = await adopt(farweave, cluster, request);
  if (at.global.json) writeJson(at, { cluster, revision, owner, lost });
  else {
    const next = `  ${at.self} plan --check    what differs on the hosts\n  ${at.self} apply           go on`;
    at.io.out.write(`${cluster}, revision ${revision}, lives here now.\n${next}\n`);
  }
  return EXIT.ok;
}

async function agreed({ io }: At, { cluster, state, from }: Found, lost: readonly string[]): Promise<boolean> {
  const hosts = Object.keys(state.knowledge.indexes).length;
  const without = lost.length > 0 ? `, without ${lost.join(', ')}` : '';
  io.out.write(`${printable(`${cluster}, revision ${state.revision}, ${count(hosts, 'host')}: ${from}${without}`)}\n`);
  const yes = await confirm('Go on with it here? The server that had it must not.');
  if (!yes) io.err.write('Nothing was changed.\n');
  return yes;
}

function secretsLost(at: At, { cluster, sources = {} }: Found, lost: readonly string[]): Failure {
  const meaning = (name: string) => {
    if (name === DIGEST_KEY) return 'containers are labelled by it: the next apply starts them all anew';
    if (sources[name]?.from === 'spec') return 'comes again from the cluster file, with the next apply';
    return 'made for the cluster, and known to nobody else: what was set up with the old one refuses a new one';
  };
  return new Failure(`${count(lost.length, 'secret')} of ${cluster} cannot be opened.`, {
    details: lost.map((name) => `${name}: ${meaning(name)}`),
    hint: `Put the identity of its workers back into ${stateOf(at)}, or adopt an exported file; or go on without them: --without-secrets.`,
  });
}
