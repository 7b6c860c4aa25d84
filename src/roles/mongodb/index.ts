import type { Stage } from '../../plan/plan.ts';
import { address, SLOTS } from '../network.ts';
import type { Context, Role } from '../role.ts';
import * as backups from './backup.ts';
import { Config, memberAddress, version } from './config.ts';
import { erased } from './erase.ts';
import * as health from './health.ts';
import * as leaving from './leaving.ts';
import { KEY_SECRET, memberName, memberOf } from './member.ts';
import * as operations from './operations.ts';
import { validate } from './problems.ts';
import * as restore from './restore.ts';
import * as set from './set.ts';
import { ADMIN_PASSWORD } from './shell.ts';

/** What other roles need to use the set. */
export interface MongoDB {
  readonly replicaSet: string;
  readonly version: string;
  /** `node0.farweave.local:27017`, in the order of the hosts. */
  readonly members: readonly string[];
}

export const mongodb: Role<Config> = {
  name: 'mongodb',
  config: Config,
  operations: [
    operations.cpu,
    operations.pulled,
    operations.keyFile,
    operations.start,
    health.readable,
    health.ready,
    health.spares,
    set.initiate,
    set.admin,
    set.members,
    set.writeConcern,
    set.features,
    health.healthy,
    leaving.quorum,
    leaving.removed,
    leaving.stopped,
    erased,
    ...backups.operations,
    ...restore.operations,
  ],
  validate,
  records: (_, { on, network }) =>
    on.map((host) => ({ name: memberName(host), address: address(network, host, SLOTS.mongodb) })),
  secrets: () => ({
    // MongoDB takes 6 to 1024 characters of base64.
    [KEY_SECRET]: { generate: { length: 756, alphabet: 'base64' } },
    [ADMIN_PASSWORD]: { generate: { length: 32, alphabet: 'alphanumeric' } },
  }),
  stages,
  leave,
  erase: (_, { on }) => [erased.over(on, "erase MongoDB's data", {})],
  backup: {
    take: (config, context, id) => backups.taking(memberOf(config, context), context.on, { ...config.backup, id }),
    list: ({ backup: { keep } }, { on }) => [backups.keeping(on, keep)],
    restore: (config, context, wanted) => ({
      ...restore.replacing(memberOf(config, context), context.on, { ...wanted, version: version(config) ?? '' }),
      rise: stages(config, context).map((stage) => restore.knowing(stage, wanted.host)),
    }),
  },
};

/** The set as its clients see it; none where the cluster has no MongoDB. */
export function mongodbOf(context: Pick<Context, 'network' | 'section' | 'hostsOf'>): MongoDB | undefined {
  const config = context.section(mongodb);
  if (config === undefined) return undefined;
  return {
    replicaSet: config.replicaSet,
    version: version(config) ?? '',
    members: context.hostsOf(mongodb).map((host) => memberAddress(host, config, context)),
  };
}

function stages(config: Config, context: Context): readonly Stage[] {
  const { on } = context;
  const { image, port, writeConcern, featureCompatibility: format } = config;
  const member = memberOf(config, context);
  const replicas = replicaSetOf(config, context);
  const once = { ...LOGIN, barrier: { scope: 'cluster', on: 'one', order: 'all' } } as const;
  const together = { ...LOGIN, barrier: { scope: 'cluster', on: 'each', order: 'all' } } as const;
  return [
    operations.cpu.over(on, 'check the processor for MongoDB', { version: version(config) ?? '' }),
    health.readable.over(on, 'check that MongoDB can read its data', { port, version: version(config) ?? '' }, LOGIN),
    ...(context.leaving.length > 0 && !context.forced
      ? [leaving.quorum.over(on, 'check that enough members stay', replicas, LOGIN)]
      : []),
    operations.pulled.over(on, 'pull MongoDB', { image }),
    operations.keyFile.over(on, 'write the key file of the replica set', {}, { secrets: [KEY_SECRET] }),
    // Dead ones first: they count for majorities, and hold seats that others need.
    ...removing(config, context, 'drop dead members that leave', { silent: true }),
    operations.start.over(
      on,
      'start MongoDB',
      { ...member, handsOver: true },
      {
        secrets: [KEY_SECRET, ADMIN_PASSWORD],
        barrier: {
          scope: 'cluster',
          on: 'each',
          // The primary last, so that one change of all members costs one election.
          order: { by: health.ROLE, first: ['SECONDARY'] },
          gate: health.ready.gate({ port }, [ADMIN_PASSWORD]),
        },
      },
    ),
    set.initiate.over(on, 'initiate the replica set', replicas, once),
    set.admin.over(on, 'have the admin user', { port }, together),
    set.members.over(on, 'add missing members', replicas, once),
    set.writeConcern.over(on, 'set the write concern', { port, writeConcern }, once),
    ...(format === undefined
      ? []
      : [set.features.over(on, 'use the data format of its release', { port, release: format }, once)]),
    // Never two voting members down at once: of three that is the majority gone, of more the margin for an accident.
    health.healthy.over(on, 'wait for the replica set', replicas, {
      ...together,
      spare: 1,
      guard: health.spares.gate({ port }, [ADMIN_PASSWORD]),
    }),
  ];
}

/** Members go while they still serve; who is dead went before. What a host holds of the data stays on it. */
function leave(config: Config, context: Context): readonly Stage[] {
  return [
    ...removing(config, context, 'drop members that leave'),
    leaving.stopped.over(context.leaving, 'stop MongoDB', {}),
  ];
}

/** By one that stays after another, so that none of them has to be there: the first does it, and the others see it done. */
function removing(config: Config, context: Context, title: string, which: { readonly silent?: true } = {}) {
  if (context.leaving.length === 0) return [];
  const args = { ...replicaSetOf(config, context), ...which, ...(context.forced && { forced: true }) };
  const barrier = { scope: 'cluster', on: 'each', order: { rolling: 1 } } as const;
  return [leaving.removed.over(context.on, title, args, { ...LOGIN, barrier })];
}

const LOGIN = { secrets: [ADMIN_PASSWORD] };

function replicaSetOf(config: Config, context: Context): health.ReplicaSet {
  const { replicaSet, electionTimeoutMillis, port } = config;
  const former = context.formerSection(mongodb) ?? config;
  const going = context.leaving.map((host) => ({ name: memberAddress(host, former, context) }));
  return {
    replicaSet,
    port,
    members: context.on.map((host) => ({ name: memberAddress(host, config, context) })),
    electionTimeoutMillis,
    ...(going.length > 0 && { leaving: going }),
  };
}
