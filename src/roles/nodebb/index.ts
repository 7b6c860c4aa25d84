import * as z from 'zod';
import type { Stage } from '../../plan/plan.ts';
import { versionOf } from '../container.ts';
import { withoutDocker } from '../docker/index.ts';
import { mongodbOf } from '../mongodb/index.ts';
import { ADMIN_PASSWORD as MONGODB_PASSWORD } from '../mongodb/shell.ts';
import { address, SLOTS } from '../network.ts';
import { minority } from '../operation.ts';
import { type Context, hostNames, type Problem, type Role } from '../role.ts';
import { SecretReference } from '../secret.ts';
import { Image } from '../value.ts';
import { ADMIN_PASSWORD, database, setup } from './database.ts';
import { erased } from './erase.ts';
import { DATABASE_PASSWORD, type Forum, FRONT, frontOf, NAME, SECRET, traits } from './forum.ts';
import { build, config as configFile, pulled, serving, start, stopped } from './operations.ts';
import { replicated } from './replicated.ts';
import { paused, schema } from './schema.ts';

const Admin = z.strictObject({
  username: z.string().min(2).default('admin').describe('Name of the administrator who is made at set-up.'),
  password: SecretReference.optional().describe(
    'Password of the administrator. Missing: a random one, kept with the cluster. Used at set-up and to verify, never to change it.',
  ),
  email: z.email().default('admin@example.com').describe('E-mail address of the administrator.'),
});

const Config = z
  .strictObject({
    hosts: hostNames,
    image: Image.default('ghcr.io/nodebb/nodebb:4.11.2').describe('Image of NodeBB 1.4 to 4.'),
    version: z
      .string()
      .regex(/^\d+\.\d+/, 'wants a version such as 4.11')
      .optional()
      .describe("Version of NodeBB in the image, where the image's tag does not begin with it."),
    url: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe("Where readers find the forum, such as a load balancer. Missing: at each host's own address."),
    port: z.int().min(1).max(65535).default(4567).describe('Port on every host.'),
    user: z
      .string()
      .regex(/^\d+:\d+$/, 'wants numbers such as 1001:1001')
      .default('1001:1001')
      .describe("Numbers of the user and group that own the files of the image. The published image's by default."),
    database: z
      .string()
      .regex(/^[\w-]{1,38}$/, 'wants letters, digits, _ and -')
      .default('nodebb')
      .describe('Database in MongoDB.'),
    admin: Admin.prefault({}).describe('The first administrator.'),
  })
  .describe('NodeBB, on all hosts one forum, with its data in MongoDB.');

type Config = z.infer<typeof Config>;

export const nodebb: Role<Config> = {
  name: 'nodebb',
  config: Config,
  operations: [pulled, database, setup, configFile, build, paused, schema, start, serving, replicated, stopped, erased],
  validate,
  records: (_, { on, network }) => on.map((host) => ({ name: NAME, address: address(network, host, SLOTS.nodebb) })),
  secrets: ({ admin }) => ({
    [ADMIN_PASSWORD]: admin.password ?? { generate: { length: 20, alphabet: 'alphanumeric' } },
    [DATABASE_PASSWORD]: { generate: { length: 32, alphabet: 'alphanumeric' } },
    [SECRET]: { generate: { length: 48, alphabet: 'alphanumeric' } },
  }),
  stages,
  leave: (_, { leaving }) => [stopped.over(leaving, 'stop NodeBB', {})],
  erase: (_, { on }) => [erased.over(on, 'erase uploads and assets', {})],
  backup: {
    restore: (config, context) => ({
      prove: [],
      halt: [stopped.over(context.on, 'stop NodeBB', {}, { barrier: { scope: 'cluster', on: 'each', order: 'all' } })],
      rise: stages(config, context),
      settle: [],
    }),
  },
  outputs: ({ url, port, admin }, { on }) => [
    ...on.map((host) => ({ title: `NodeBB on ${host.name}`, value: frontOf(host, { url: url ?? null, port }) })),
    { title: 'NodeBB login', value: `${admin.username}, password ${whereabouts(admin.password)}` },
  ],
};

/** Hosts that may be asked to change the schema: one of them will be there. */
const CANDIDATES = 3;

function stages(config: Config, context: Context): readonly Stage[] {
  const { on, cluster, network } = context;
  const { replicaSet, members } = mongodbOf(context) ?? { replicaSet: '', members: [] as readonly string[] };
  const { image, user, port, url = null, database: name, admin } = config;
  const version = versionOf(image, config.version) ?? '';
  // The one that has been there longest, so that a new host takes nothing over.
  const jobs = on.toSorted((one, other) => one.index - other.index)[0]?.name ?? '';
  const forum: Forum = {
    cluster,
    image,
    version,
    user,
    port,
    url,
    database: name,
    replicaSet,
    members: [...members],
    jobs,
    network,
  };
  const { username, email } = admin;
  const readers = Object.fromEntries(on.map((host) => [host.name, host.index]));
  const once = { scope: 'cluster', on: 'one', order: 'all' } as const;
  const files = { secrets: [SECRET, DATABASE_PASSWORD] };
  return [
    pulled.over(on, 'pull NodeBB', { image, version }),
    database.over(on, 'have a database account', forum, {
      secrets: [DATABASE_PASSWORD, MONGODB_PASSWORD],
      barrier: once,
    }),
    setup.over(
      on,
      'set the forum up',
      { ...forum, username, email },
      {
        secrets: [ADMIN_PASSWORD, DATABASE_PASSWORD, SECRET],
        barrier: once,
      },
    ),
    configFile.over(on, 'write config.json', forum, files),
    ...(traits(forum).builds ? [build.over(on, 'build the assets', forum, { secrets: [DATABASE_PASSWORD] })] : []),
    paused.over(on, 'stop NodeBB while its schema changes', forum, {
      secrets: [DATABASE_PASSWORD],
      barrier: { scope: 'cluster', on: 'each', order: 'all' },
    }),
    // By the first of a few that is there. Never by two at a time, and the others find it done.
    schema.over(on.slice(0, CANDIDATES), 'change the schema, once', forum, {
      secrets: [DATABASE_PASSWORD],
      barrier: { scope: 'cluster', on: 'each', order: { rolling: 1 } },
    }),
    start.over(on, 'start NodeBB', forum, {
      ...files,
      barrier: { scope: 'cluster', on: 'each', order: { rolling: 1 }, gate: serving.gate({ url, port }) },
    }),
    serving.over(
      on,
      'wait for NodeBB to answer',
      { url, port },
      { spare: minority(on.length), barrier: { scope: 'cluster', on: 'each', order: 'all' } },
    ),
    replicated.over(
      on,
      'read on all hosts what one wrote',
      { ...forum, username, readers },
      {
        secrets: [ADMIN_PASSWORD],
        afterChange: true,
        barrier: once,
      },
    ),
  ];
}

function validate(config: Config, context: Context): readonly Problem[] {
  const version = versionOf(config.image, config.version);
  const set = mongodbOf(context);
  const error = (path: readonly string[], message: string): Problem => ({ severity: 'error', path, message });
  if (set === undefined) return [error([], 'needs roles.mongodb, which is not there')];
  if (version === undefined) return [error(['version'], `cannot be told from the image ${config.image}: say it`)];
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < 1 || (major === 1 && minor < 4) || major > 4)
    return [error(['image'], `NodeBB ${version} is none of 1.4 to 4`)];
  if (major === 1 && Number.parseInt(set.version, 10) > 5) {
    return [
      error(['image'], `NodeBB ${version} speaks a protocol that MongoDB ${set.version} has dropped: use MongoDB 4.4`),
    ];
  }
  return [
    ...withoutDocker(context),
    ...context.on.flatMap(({ name, labels: { [FRONT]: place } }) =>
      place === undefined || /^[\w.-]+:\d{1,5}$/.test(place)
        ? []
        : [error([], `the label ${FRONT} of ${name} wants host:port, not ${place}`)],
    ),
  ];
}

function whereabouts(reference: SecretReference | undefined): string {
  if (reference === undefined) return `shown by farweave secrets show ${ADMIN_PASSWORD}`;
  if ('env' in reference) return `in $${reference.env}`;
  if ('file' in reference) return `in ${reference.file}`;
  if ('age' in reference) return 'sealed in the cluster file';
  return 'command' in reference ? `from ${reference.command[0]}` : `known to the workers as ${reference.worker}`;
}
