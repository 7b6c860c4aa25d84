import { isIP } from 'node:net';
import * as z from 'zod';
import type { Bastions, HostSpec } from '../plan/plan.ts';
import type { Layout } from '../roles/context.ts';
import { type Generated, SecretReference } from '../roles/secret.ts';
import { Name } from '../roles/value.ts';
import { Rollout, SiteWindow } from './rollout.ts';
import { Limits, siteReach } from './site.ts';

/** What cluster.yaml says, complete and checked. Secrets are references still. */
export interface Cluster extends Omit<Layout, 'cluster' | 'hosts' | 'sites'> {
  readonly name: string;
  /** What it was read from: changes of hosts are made to it, so that comments stay. */
  readonly text: string;
  readonly sites: Readonly<Record<string, Site>>;
  readonly hosts: readonly ClusterHost[];
  readonly bastions: Bastions;
  readonly rollout: Rollout;
  /** Every secret by the name that hosts and stages use: `access.password`, `access.vm0.password`, `nodebb.adminPassword`. */
  readonly secrets: Readonly<Record<string, SecretReference | Generated>>;
}

/** A host before it has been given its index. */
export type ClusterHost = Omit<HostSpec, 'index'>;

/** In place of a bastion: none. */
export const DIRECTLY = 'none';

const via = z.string().exactOptional().describe(`Name of the bastion that leads there; ${DIRECTLY}: reached directly.`);

const Site = z.strictObject({
  timezone: z
    .string()
    .refine(isTimezone, 'wants an IANA time zone such as Europe/Amsterdam')
    .exactOptional()
    .describe('IANA time zone of the data center, such as Europe/Amsterdam.'),
  window: SiteWindow.exactOptional().describe(
    "When a rollout may begin work at this site, by the site's own clock: it wants the site's timezone. Work at the site waits for it; what has begun is brought to its end. Missing: always.",
  ),
  via: via.describe(
    `Name of the bastion that leads to the hosts of this site; ${DIRECTLY}: they are reached directly.`,
  ),
  ...siteReach,
});

export type Site = z.infer<typeof Site>;

/** How to log in, to a host or to a bastion. */
const login = {
  user: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/, 'wants a login name')
    .exactOptional()
    .describe('Login name. Default: root.'),
  port: z.int().min(1).max(65535).exactOptional().describe('Port of the SSH server. Default: 22.'),
  password: SecretReference.exactOptional().describe('Login password, by reference.'),
  privateKey: SecretReference.exactOptional().describe('Private key in OpenSSH or PEM format, by reference.'),
  passphrase: SecretReference.exactOptional().describe('Passphrase of the private key, by reference.'),
  agent: z
    .boolean()
    .exactOptional()
    .describe(
      'Log in with the keys of the ssh agent of the worker: the one on this machine has the agent of whoever uses it.',
    ),
} as const;

/** How to get in. Stands once for all hosts, and each host may differ. */
export const Access = z.strictObject({
  ...login,
  via,
  sudo: z
    .strictObject({
      password: SecretReference.describe('Password that sudo asks for, by reference. Default: the login password.'),
    })
    .exactOptional()
    .describe('What sudo needs, where the user is not root.'),
  become: z
    .enum(['sudo', 'doas'])
    .exactOptional()
    .describe('How to become root, where the user is another. doas must not ask for a password. Default: sudo.'),
  rotate: z
    .boolean()
    .exactOptional()
    .describe(
      'Whether a key that Farweave makes for the cluster is installed, and used from then on: the other credentials are needed once. `farweave access rotate` replaces it. Default: false.',
    ),
});

export type Access = z.infer<typeof Access>;

const ownFile = z.union([z.boolean(), z.string().min(1)]).exactOptional();

/** The same as it stands in a file: with what the command line writes out before anybody else reads it. */
export const WrittenAccess = Access.extend({
  sshConfig: ownFile.describe(
    'Whether addresses may be aliases of ~/.ssh/config (or of the file named here). The command line writes out what they mean.',
  ),
  knownHosts: ownFile.describe(
    'Whether hosts and bastions without a hostKey are held to the one in ~/.ssh/known_hosts (or in the file named here). The command line writes it out.',
  ),
});

export type WrittenAccess = z.infer<typeof WrittenAccess>;

const address = z.string().refine(isAddress, 'wants an IPv4 address, an IPv6 address or a DNS name');

const hostKey = z
  .string()
  .regex(/^SHA256:[A-Za-z0-9+/]{43}$/, 'wants a fingerprint as `ssh-keygen -lf` prints it: SHA256:… with 43 characters')
  .exactOptional();

/** One bastion as it stands in the file. */
export const Bastion = z.strictObject({
  address: address.describe('Where SSH reaches the bastion: an IPv4 or IPv6 address, or a DNS name.'),
  hostKey: hostKey.describe(
    'Fingerprint (SHA256:…) that the bastion must show. Missing: the first one is taken, and held to ever after.',
  ),
  ...login,
  via: via.describe('Name of another bastion that leads to this one.'),
  limits: Limits.exactOptional().describe(
    'How much of the way through this bastion a worker may use at once, for all rollouts of all clusters together. Missing: as much as it likes.',
  ),
});

export type Bastion = z.infer<typeof Bastion>;

/** One host as it stands in the file. */
export const Host = z.strictObject({
  name: Name.describe('Unique in the cluster, and kept for the life of the host.'),
  site: z.string().describe('Name of the site that the host stands in.'),
  address: address.describe('Where SSH reaches the host: an IPv4 or IPv6 address, or a DNS name.'),
  hostKey: hostKey.describe(
    'Fingerprint (SHA256:…) that the host must show. Missing: the first one is taken, and held to ever after.',
  ),
  labels: z
    .record(
      z.string().regex(/^[a-z][a-z0-9._-]{0,62}$/, 'wants a label of lower-case letters, digits, dots and dashes'),
      z.string().regex(/^[\w.:/ +-]{0,63}$/, 'wants a value of letters, digits, spaces and . _ : / + - only'),
    )
    .default({})
    .describe('What roles may go by, such as { disk: fast }.'),
  ...Access.shape,
});

export type Host = z.infer<typeof Host>;

/** Everything in the file that belongs to no role. */
export const frame = {
  apiVersion: z.literal('farweave.dev/v1').describe('Version of this format.'),
  kind: z.literal('Cluster').describe('Always Cluster.'),
  metadata: z
    .strictObject({ name: Name.describe('Name of the cluster: the lock of its rollouts.') })
    .describe('What the cluster is called.'),
  sites: z
    .record(Name, Site.describe('A data center.'))
    .refine((sites) => Object.keys(sites).length > 0, 'wants at least one site')
    .describe('The data centers by name.'),
  access: WrittenAccess.default({}).describe('How to log in to every host that does not say otherwise.'),
  bastions: z
    .record(Name, Bastion.describe('A machine that leads to others.'))
    .default({})
    .describe('Bastions by name: machines that lead to hosts which cannot be reached without them.'),
  hosts: z.array(Host.describe('A machine.')).min(1).describe('The machines of the cluster.'),
  rollout: Rollout.prefault({}).describe(
    'How a rollout goes about the hosts, and what happens when something goes wrong.',
  ),
} as const;

/** An IPv4 address, an IPv6 address or a DNS name. */
function isAddress(value: string): boolean {
  if (isIP(value) !== 0) return true;
  const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i;
  const labels = value.split('.');
  // A last label of digits alone would be a mistyped address, such as 10.0.0.256.
  return value.length <= 253 && labels.every((part) => label.test(part)) && !/^\d+$/.test(labels.at(-1) ?? '');
}

function isTimezone(value: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: value }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}
