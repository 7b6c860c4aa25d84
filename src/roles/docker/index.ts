import * as z from 'zod';
import { type Context, hostNames, type Problem, type Role } from '../role.ts';
import * as bridge from './bridge.ts';
import * as engine from './engine.ts';

const { unrivalled, repository, install, configure } = engine;
const { network, forwarding } = bridge;

const registry = z.string().regex(/^[\w.:[\]-]+(\/[\w./-]*)?$/, 'wants a registry such as 10.0.0.1:5000');

const Docker = z
  .strictObject({
    hosts: hostNames,
    source: z
      .enum(['distribution', 'docker'])
      .default('distribution')
      .describe("`distribution`: the package docker.io. `docker`: docker-ce from Docker's own repository."),
    repository: z
      .strictObject({
        url: z.url().default('https://download.docker.com/linux').describe('Where `<distribution>/dists` is found.'),
        keySha256: z
          .string()
          .regex(/^[0-9a-f]{64}$/, 'wants 64 hexadecimal digits')
          .default('1500c1f56fa9e26b9b8f42452a553675796ade0807cdce11975eb98170b3a570')
          .describe('SHA-256 of the file `<url>/<distribution>/gpg`. A different key is refused.'),
      })
      .prefault({})
      .describe("Docker's repository or a mirror of it. Used with `source: docker` only."),
    mirrors: z.array(z.url()).default([]).describe('Mirrors of Docker Hub, tried first.'),
    insecureRegistries: z
      .array(registry)
      .default([])
      .describe('Registries (`host:port` or a CIDR range) that are spoken to without TLS.'),
    logs: z
      .strictObject({
        maxSize: z
          .string()
          .regex(/^\d+[kmg]$/, 'wants a size such as 10m')
          .default('10m')
          .describe('Size of one log file.'),
        maxFiles: z.int().min(1).default(3).describe('How many log files a container keeps.'),
      })
      .prefault({})
      .describe("Bounds of a container's logs."),
    settings: z
      .record(z.string(), z.json())
      .default({})
      .describe('More keys of daemon.json. They win over what Farweave sets.'),
  })
  .describe('The container engine, and the network of the containers.');

type Docker = z.infer<typeof Docker>;

/** The container engine, and the network that containers of the cluster are on. */
export const docker: Role<Docker> = {
  name: 'docker',
  config: Docker,
  operations: [unrivalled, repository, install, configure, network, forwarding],
  stages: (config, { on, network: mesh }) => {
    const { source } = config;
    return [
      unrivalled.over(on, 'check for other container engines', { source }),
      ...(source === 'docker' ? [repository.over(on, "add Docker's repository", config.repository)] : []),
      install.over(on, 'install Docker', { source }),
      configure.over(on, 'configure Docker', { daemon: daemon(config, mesh.mtu) }),
      network.over(on, 'make the network of the containers', { network: mesh }),
      forwarding.over(on, 'let the mesh reach containers', { network: mesh }),
    ];
  },
};

/** What is wrong with a cluster where a role has containers on hosts that get no Docker. */
export function withoutDocker({ on, hostsOf }: Pick<Context, 'on' | 'hostsOf'>): readonly Problem[] {
  const having = hostsOf(docker);
  const lacking = on.filter((host) => !having.includes(host)).map(({ name }) => name);
  const message =
    having.length === 0 ? 'needs roles.docker, which is not there' : `needs Docker on ${lacking.join(', ')}`;
  return lacking.length === 0 ? [] : [{ severity: 'error', path: [], message }];
}

/** Containers survive a restart of the daemon, and their logs do not fill the disk. */
function daemon({ logs, mirrors, insecureRegistries, settings }: Docker, mtu: number) {
  return {
    'live-restore': true,
    mtu,
    'log-driver': 'json-file',
    'log-opts': { 'max-size': logs.maxSize, 'max-file': String(logs.maxFiles) },
    ...(mirrors.length > 0 && { 'registry-mirrors': mirrors }),
    ...(insecureRegistries.length > 0 && { 'insecure-registries': insecureRegistries }),
    ...settings,
  };
}
