import * as z from 'zod';
import type { HostSpec, Stage } from '../../plan/plan.ts';
import { versionOf } from '../container.ts';
import { withoutDocker } from '../docker/index.ts';
import { address, SLOTS } from '../network.ts';
import { type Context, hostNames, type Problem, type Role } from '../role.ts';
import { erased } from './erase.ts';
import * as health from './health.ts';
import { KEY_SECRET, type Member, memberName } from './member.ts';
import * as operations from './operations.ts';
import * as set from './set.ts';
import { ADMIN_PASSWORD } from './shell.ts';

/** Of a replica set, by MongoDB itself. */
const MOST_VOTERS = 7;

const Config = z
  .strictObject({
    hosts: hostNames,
    replicaSet: z
      .string()
      .regex(/^[A-Za-z][\w-]*$/, 'wants letters, digits, _ and -')
      .default('rs0')
      .describe('Name of the replica set.'),
    image: z
      .string()
      .min(1)
      .default('mongo:8.0.17')
      .describe('Image of MongoDB 4.4 to 8. Processors without AVX need mongo:4.4.29.'),
    version: z
      .string()
      .regex(/^\d+\.\d+/, 'wants a version such as 8.0')
      .optional()
      .describe("Version of MongoDB in the image, where the image's tag does not begin with it."),
    port: z
      .int()
      .min(1)
      .max(65535)
      .default(27017)
      .describe('Port of mongod. It is reached in the mesh only, never published.'),
    cacheGB: z
      .number()
      .min(0.25)
      .optional()
      .describe("GiB for WiredTiger's cache. Missing: MongoDB takes half of the memory less 1 GiB."),
    oplogMB: z
      .int()
      .min(64)
      .optional()
      .describe('MB for the oplog: how long a member may be away without copying everything anew.'),
    electionTimeoutMillis: z
      .int()
      .min(1000)
      .default(5000)
      .describe('How long the primary may be silent before the others elect another, in milliseconds.'),
    writeConcern: z
      .union([z.literal('majority'), z.int().min(1).max(MOST_VOTERS)])
      .default('majority')
      .describe('How many members must have a write before it is acknowledged, unless a client says otherwise.'),
  })
  .describe('A MongoDB replica set, one member a host, reachable in the mesh.');

type Config = z.infer<typeof Config>;

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
    health.healthy,
    erased,
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
  erase: (_, { on }) => [erased.over(on, "erase MongoDB's data", {})],
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
  const { on, cluster, network } = context;
  const { image, replicaSet, port, cacheGB, oplogMB, electionTimeoutMillis, writeConcern } = config;
  const member: Member = {
    cluster,
    image,
    replicaSet,
    port,
    options: [
      ...(cacheGB === undefined ? [] : ['--wiredTigerCacheSizeGB', String(cacheGB)]),
      ...(oplogMB === undefined ? [] : ['--oplogSize', String(oplogMB)]),
    ],
    network,
  };
  const replicas: health.ReplicaSet = {
    replicaSet,
    port,
    members: on.map((host) => ({ name: memberAddress(host, config, context) })),
    electionTimeoutMillis,
  };
  const login = { secrets: [ADMIN_PASSWORD] };
  const once = { ...login, barrier: { scope: 'cluster', on: 'one', order: 'all' } } as const;
  const together = { ...login, barrier: { scope: 'cluster', on: 'each', order: 'all' } } as const;
  return [
    operations.cpu.over(on, 'check the processor for MongoDB', { version: version(config) ?? '' }),
    health.readable.over(on, 'check that MongoDB can read its data', { port, version: version(config) ?? '' }, login),
    operations.pulled.over(on, 'pull MongoDB', { image }),
    operations.keyFile.over(on, 'write the key file of the replica set', {}, { secrets: [KEY_SECRET] }),
    operations.start.over(on, 'start MongoDB', member, {
      secrets: [KEY_SECRET],
      barrier: {
        scope: 'cluster',
        on: 'each',
        // The primary last, so that one change of all members costs one election.
        order: { by: health.ROLE, first: ['SECONDARY'] },
        gate: health.ready.gate({ port }, [ADMIN_PASSWORD]),
      },
    }),
    set.initiate.over(on, 'initiate the replica set', replicas, once),
    set.admin.over(on, 'have the admin user', { port }, together),
    set.members.over(on, 'add missing members', replicas, once),
    set.writeConcern.over(on, 'set the write concern', { port, writeConcern }, once),
    // Never two voting members down at once: of three that is the majority gone, of more the margin for an accident.
    health.healthy.over(on, 'wait for the replica set', replicas, {
      ...together,
      spare: 1,
      guard: health.spares.gate({ port }, [ADMIN_PASSWORD]),
    }),
  ];
}

function validate(config: Config, context: Context): readonly Problem[] {
  const voters = context.on.length;
  const problem = (severity: Problem['severity'], path: string, message: string) => [
    { severity, path: [path], message },
  ];
  return [
    ...(voters > MOST_VOTERS
      ? problem('error', 'hosts', `${voters} members would vote; a replica set has at most ${MOST_VOTERS} voters`)
      : []),
    ...(voters <= MOST_VOTERS && voters % 2 === 0 && voters > 0
      ? problem(
          'warning',
          'hosts',
          `${voters} voters survive the loss of no more hosts than ${voters - 1} would: a majority of ${voters} is ${voters / 2 + 1}. Use an odd number`,
        )
      : []),
    ...(typeof config.writeConcern === 'number' && config.writeConcern > voters
      ? problem('error', 'writeConcern', `${config.writeConcern} members cannot have a write: there are ${voters}`)
      : []),
    ...versionProblems(config),
    ...withoutDocker(context),
  ];
}

function versionProblems(config: Config): readonly Problem[] {
  const found = version(config);
  if (found === undefined) {
    return [{ severity: 'error', path: ['version'], message: `cannot be told from the image ${config.image}: say it` }];
  }
  const [major = 0, minor = 0] = found.split('.').map(Number);
  const supported = (major === 4 && minor >= 4) || (major >= 5 && major <= 8);
  return supported ? [] : [{ severity: 'error', path: ['image'], message: `MongoDB ${found} is none of 4.4 to 8` }];
}

const version = (config: Config) => versionOf(config.image, config.version);

const memberAddress = (host: HostSpec, { port }: Config, { network }: Pick<Context, 'network'>) =>
  `${memberName(host)}.${network.domain}:${port}`;
