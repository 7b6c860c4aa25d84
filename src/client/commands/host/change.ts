import type { HostChange } from '../../../spec/change.ts';
import type { Cluster } from '../../../spec/cluster.ts';
import { type ClusterView, type HostRequest, rolloutId } from '../../../workflows/contract.ts';
import { accompany } from '../../accompany.ts';
import { type At, mannerOf, withCluster, writeJson } from '../../command.ts';
import { confirm } from '../../confirm.ts';
import type { Farweave } from '../../connection.ts';
import { EXIT, Failure } from '../../errors.ts';
import {
  addHost,
  approveHost,
  begunRequest,
  type Requested,
  removeHost,
  replaceHost,
  requestOf,
  withdrawHost,
} from '../../hosts.ts';
import { waiting } from '../../waiting.ts';
import { bringAlong } from './file.ts';
import { type Joining, newHost, ownSecrets } from './joining.ts';
import { keptCluster } from './kept.ts';

interface Going {
  readonly detach?: boolean;
  readonly yes?: boolean;
  readonly force?: boolean;
  readonly data?: boolean;
  readonly reason?: string;
}

/** A change of hosts, and how the cluster is asked for it. */
interface Wish {
  readonly change: HostChange;
  /** Asked first, on a terminal. */
  readonly question?: string;
  readonly ask: (farweave: Farweave, cluster: string) => Promise<Requested>;
}

/** Takes a host in. */
export const addOne = (at: At, name: string, address: string, options: Joining & Going): Promise<number> =>
  carryOut(at, options, async () => {
    const host = newHost(name, address, options);
    const secrets = await ownSecrets(at, host);
    return {
      change: { add: [host] },
      ask: (farweave, cluster) => addHost(farweave, cluster, host, { secrets, ...reasonOf(options) }),
    };
  });

/** Takes hosts out. */
export const removeSome = (at: At, hosts: readonly string[], options: Going): Promise<number> =>
  carryOut(at, options, async (cluster) => {
    const missing = hosts.filter((host) => !cluster.hosts.some(({ name }) => name === host));
    if (missing.length > 0) throw unknown(missing[0]!, cluster);
    return {
      change: { remove: [...hosts] },
      question: `Take ${hosts.join(', ')} out of ${cluster.name}?`,
      ask: (farweave, name) => removeHost(farweave, name, hosts, { ...reasonOf(options), ...leavingOf(options) }),
    };
  });

/** Puts another machine in the place of a host. */
export const replaceOne = (
  at: At,
  host: string,
  address: string,
  options: Joining & Going & { readonly as?: string },
): Promise<number> =>
  carryOut(at, options, async (cluster) => {
    const old = cluster.hosts.find(({ name }) => name === host);
    if (!old) throw unknown(host, cluster);
    const by = newHost(options.as ?? host, address, { ...options, site: options.site ?? old.site });
    const more = { secrets: await ownSecrets(at, by), ...reasonOf(options), ...leavingOf(options) };
    return {
      change: { replace: host, with: by },
      question: `Put ${by.name} at ${by.address} in the place of ${host} at ${old.address}?`,
      ask: (farweave, name) => replaceHost(farweave, name, host, by, more),
    };
  });

/** Says that the key of a host is right. */
export async function approveOne(at: At, id: string): Promise<number> {
  return await withCluster(at, async (farweave, cluster) => {
    const { shownKey } = await requestOf(farweave, cluster, id);
    if (shownKey !== undefined) at.io.err.write(`The host shows ${shownKey}\n`);
    return await follow(at, farweave, await approveHost(farweave, cluster, id), {});
  });
}

/** Takes a request back. */
export async function withdrawOne(at: At, id: string): Promise<number> {
  return await withCluster(at, async (farweave, cluster) => {
    const { said } = await withdrawHost(farweave, cluster, id);
    if (at.global.json) writeJson(at, { cluster, id, said });
    else at.io.out.write(`${said}\n`);
    return EXIT.ok;
  });
}

async function carryOut(
  at: At,
  options: Going,
  wishIn: (cluster: Cluster, state: ClusterView) => Promise<Wish>,
): Promise<number> {
  return await withCluster(at, async (farweave, cluster, state) => {
    const { change, question, ask } = await wishIn(keptCluster(at, cluster, state), state);
    if (question !== undefined && at.io.canAsk && !options.yes && !(await confirm(question))) {
      at.io.err.write('Nothing was touched.\n');
      return EXIT.failed;
    }
    const requested = await waiting(at.io, 'Asking the cluster', () => ask(farweave, cluster));
    return await follow(at, farweave, requested, options, change);
  });
}

/** Follows a request to its rollout, and that to its end. Ctrl-C leaves both. */
async function follow(
  at: At,
  farweave: Farweave,
  requested: Requested,
  { detach = false }: Going,
  change?: HostChange,
): Promise<number> {
  const { cluster, id, said } = requested;
  at.io.err.write(`${said}\n`);
  const leave = new AbortController();
  const restore = at.io.onInterrupt(() => leave.abort());
  const request = await waiting(at.io, 'Waiting for its turn', (report) =>
    begunRequest(farweave, requested, { signal: detach ? AbortSignal.timeout(DETACHING) : leave.signal, report }),
  ).finally(restore);
  const keep = change && request?.revision !== undefined ? await bringAlong(at, change) : undefined;
  if (!request || (detach && request.state === 'running')) return left(at, requested, request, detach);
  if (request.revision === undefined) throw refused(request);
  const rollout = { cluster, revision: request.revision, workflowId: rolloutId(cluster, request.revision) };
  const exitCode = await accompany(farweave, rollout, mannerOf(at));
  if ((await requestOf(farweave, cluster, id)).void) await keep?.undo();
  return exitCode;
}

/** Milliseconds that a detached request may take to begin: most do at once. */
const DETACHING = 5_000;

function left(at: At, { cluster, id }: Requested, request: HostRequest | undefined, detached: boolean): number {
  const { revision } = request ?? {};
  const stands = revision === undefined ? `${id} waits for its turn` : `${id} is under way in revision ${revision}`;
  if (detached && at.global.json) writeJson(at, { cluster, id, ...(revision !== undefined && { revision }) });
  else at.io.err.write(`${stands}, without this terminal.\n  ${at.self} host list    see what becomes of it\n`);
  return detached ? EXIT.ok : EXIT.interrupted;
}

function refused({ id, state, said }: HostRequest): Failure {
  if (state === 'asking')
    return new Failure(`${id} waits for somebody to approve the key of the host.`, {
      hint: `farweave host approve ${id}`,
    });
  return new Failure(`${id} ${state === 'refused' ? (said ?? 'was refused') : `was ${state}`}`, {
    hint: 'The cluster is as it was. farweave host list shows what was asked for.',
  });
}

function unknown(host: string, { name, hosts }: Cluster): Failure {
  return new Failure(`There is no host ${host} in ${name}.`, {
    hint: `There are: ${hosts.map((each) => each.name).join(', ')}`,
    exitCode: EXIT.badInput,
  });
}

const reasonOf = ({ reason }: Going) => (reason === undefined ? {} : { reason });
const leavingOf = ({ force, data }: Going) => ({ ...(force && { forced: true }), ...(data && { data }) });
