import * as z from 'zod';
import type { HostSpec } from '../../plan/plan.ts';
import { secret, text } from '../../ssh/command.ts';
import type { Container } from '../container.ts';
import { joining, networkArgs, SLOTS } from '../network.ts';
import { DATA, type Shell } from './shell.ts';

/** What the members of a replica set have in common. */
export const Member = z.object({
  cluster: z.string(),
  image: z.string(),
  replicaSet: z.string(),
  port: z.number(),
  /** Flags of mongod beside those that every member has. */
  options: z.array(z.string()),
  network: networkArgs,
});
export type Member = z.infer<typeof Member>;

interface MemberConfig extends Pick<Member, 'image' | 'replicaSet' | 'port'> {
  readonly cacheGB?: number | undefined;
  readonly oplogMB?: number | undefined;
}

/** The same for all, from the section of the role and the cluster. */
export function memberOf(
  { image, replicaSet, port, cacheGB, oplogMB }: MemberConfig,
  { cluster, network }: Pick<Member, 'cluster' | 'network'>,
): Member {
  const options = [
    ...(cacheGB === undefined ? [] : ['--wiredTigerCacheSizeGB', String(cacheGB)]),
    ...(oplogMB === undefined ? [] : ['--oplogSize', String(oplogMB)]),
  ];
  return { cluster, image, replicaSet, port, options, network };
}

/** The user that the published images run mongod as. */
export const OWNER = '999:999';

export const KEY_SECRET = 'mongodb.key';
export const KEY_PATH = '/etc/farweave/mongodb/keyfile';

/** A member's name: its container, and what stands before the domain in the set's configuration. */
export const memberName = (host: Pick<HostSpec, 'index'>) => `node${host.index}`;

export const shellOf = (host: Pick<HostSpec, 'index'>, { port }: Pick<Member, 'port'>): Shell => ({
  name: memberName(host),
  port,
});

/** Seconds for the last checkpoint. */
export const STOP = 60;

/** The container of a member. Its port is not published: it is reached through the mesh. */
export function containerOf(host: HostSpec, member: Member): Container {
  const { cluster, image, replicaSet, port, options, network } = member;
  const name = memberName(host);
  const key = '/etc/mongodb.keyfile';
  return {
    name,
    role: 'mongodb',
    cluster,
    image,
    stop: STOP,
    flags: [
      ...joining(network, host, name, SLOTS.mongodb),
      `--user=${OWNER}`,
      `--stop-timeout=${STOP}`,
      `--mount=type=bind,source=${DATA},target=/data/db`,
      `--mount=type=bind,source=${KEY_PATH},target=${key},readonly`,
    ],
    command: ['mongod', '--replSet', replicaSet, '--bind_ip_all', '--port', String(port), '--keyFile', key, ...options],
    reads: text`${secret(KEY_SECRET)}`,
  };
}
