import * as z from 'zod';
import type { HostSpec } from '../../src/plan/plan.ts';
import type { Network } from '../../src/roles/network.ts';
import { type Behaviour, operation, same } from '../../src/roles/operation.ts';
import { hostNames, type Role } from '../../src/roles/role.ts';
import { SecretReference } from '../../src/roles/secret.ts';
import { type Parsed, parseCluster } from '../../src/spec/parse.ts';
import { line, SpecError } from '../../src/spec/problem.ts';
import { sh } from '../../src/ssh/command.ts';

const probe = (host: HostSpec) => sh`cat ${`/etc/${host.name}`}`;
const state = {
  probe,
  judge: (output: { readonly stdout: string }) => same(output.stdout, 'on'),
  apply: () => sh`true`,
  undo: 'restore',
} satisfies Behaviour<unknown, never>;
const Empty = z.object({});

const supported = operation('mesh.supported', Empty, { kind: 'preflight', probe, judge: state.judge });
const createKey = operation('mesh.createKey', Empty, { ...state, brief: true, publishes: ['mesh.key'] });
const configure = operation('mesh.configure', z.object({ port: z.number() }), { ...state, brief: true });
const join = operation('mesh.join', Empty, { ...state, brief: true, needs: ['mesh.key'], publishes: [] });
const reach = operation('mesh.reach', Empty, { kind: 'check', needs: ['mesh.key'], probe, judge: state.judge });

/** A network, like wireguard: always there, with a fact that its hosts need of each other. */
const mesh: Role<{ range: string; port: number }> = {
  name: 'mesh',
  section: ['network'],
  always: true,
  config: z.strictObject({
    range: z.string().default('10.200.0.0/16').describe('Range of the mesh.'),
    port: z.int().min(1).max(65535).default(51820).describe('Port of the mesh.'),
  }),
  operations: [supported, createKey, configure, join, reach],
  network: ({ range }): Network => ({ driver: 'wireguard', range, prefix: 24, domain: 'toy.local', mtu: 1420 }),
  stages: ({ port }, { on }) => [
    supported.over(on, 'have a supported kernel', {}),
    createKey.over(on, 'create a key', {}),
    configure.over(on, 'configure the mesh', { port }),
    join.over(on, 'join the mesh', {}),
    reach.over(on, 'reach the other hosts', {}, { afterChange: true }),
  ],
};

const start = operation('store.start', z.object({ package: z.string() }), { ...state, timeout: 600_000 });
const initiate = operation('store.initiate', Empty, { ...state, undo: { irreversible: 'the data are there to stay' } });
const answers = operation('store.answers', Empty, { kind: 'check', probe, judge: state.judge });
const restart = operation('store.restart', Empty, state);

const StoreConfig = z.strictObject({
  package: z.string().default('store').describe('Name of the package.'),
  hosts: hostNames,
  voters: z.int().default(3).describe('How many vote.'),
  password: SecretReference.optional().describe('Password of the admin.'),
  mode: z.enum(['fast', 'safe']).default('safe').describe('How it writes.'),
  copies: z
    .union([z.literal('all'), z.int().min(1)])
    .default('all')
    .describe('How many copies.'),
});

/** Something clustered, like mongodb. */
const store: Role<z.infer<typeof StoreConfig>> = {
  name: 'store',
  config: StoreConfig,
  operations: [start, initiate, answers, restart],
  validate: ({ voters }) => [
    ...(voters % 2 === 0
      ? [
          {
            severity: 'warning' as const,
            path: ['voters'],
            message: `${voters} voters stand no more failures than ${voters - 1}`,
          },
        ]
      : []),
    ...(voters > 7 ? [{ severity: 'error' as const, path: ['voters'], message: 'at most 7 members may vote' }] : []),
  ],
  records: (_, { on }) => on.map(({ index }) => ({ name: `node${index}`, address: `10.200.${index}.10` })),
  secrets: ({ password }) => ({
    'store.password': password ?? { generate: { length: 24, alphabet: 'alphanumeric' } },
    'store.keyFile': { generate: { length: 741, alphabet: 'base64' } },
  }),
  stages: ({ package: name }, { on }) => [
    start.over(on, 'start the store', { package: name }, { secrets: ['store.keyFile'] }),
    initiate.over(
      on,
      'initiate the set',
      {},
      { secrets: ['store.password'], barrier: { scope: 'cluster', on: 'one', order: 'all' } },
    ),
    restart.over(
      on,
      'restart the store',
      {},
      { barrier: { scope: 'site', on: 'each', order: { rolling: 1 }, gate: answers.gate({}) } },
    ),
  ],
  outputs: (_, { on }) => on.map((host) => ({ title: host.name, value: `http://${host.address}` })),
};

export const toys: readonly Role[] = [mesh as Role, store as Role];

/** A cluster.yaml of two sites and three hosts, which parses. */
export const TOY = `apiVersion: farweave.dev/v1
kind: Cluster
metadata:
  name: toy
sites:
  ams: { timezone: Europe/Amsterdam }
  fra: {}
access:
  user: vagrant
  password: { env: TOY_PASSWORD }
hosts:
  - name: vm0
    site: ams
    address: 192.168.33.10
  - name: vm1
    site: ams
    address: 192.168.33.11
  - name: vm2
    site: fra
    address: 192.168.33.12
    port: 2222
    password: { file: vm2.txt }
roles:
  store:
    package: store-server
`;

/** The toy, or a variation of it, as a cluster. */
export const parseToy = (text: string): Parsed => parseCluster(text, { file: 'cluster.yaml', roles: toys });

/** What is wrong with a cluster file, or might be, a line each. */
export function problemsOf(text: string, parse: (text: string) => Parsed = parseToy): readonly string[] {
  try {
    return parse(text).warnings.map(line);
  } catch (error) {
    if (error instanceof SpecError) return error.problems.map(line);
    throw error;
  }
}
