import { stringify } from 'yaml';
import type { Place } from './hosts.ts';

/** How many steps each host gets in all comparisons. */
export const STEPS = 10;

/** The ten steps: each wants one small file to hold one line. Every version is another line. */
export function stepsOf(version: number, count = STEPS): readonly Step[] {
  return Array.from({ length: count }, (_, n) => ({
    name: `step-${n}`,
    path: `/srv/target/step-${n}.conf`,
    line: `setting ${n} of version ${version}`,
  }));
}

export interface Step {
  readonly name: string;
  readonly path: string;
  readonly line: string;
}

/** Shell text that only looks. Nothing in it needs quoting: the bench made it up. */
export const checkOf = ({ path, line }: Step): string => `test "$(cat ${path} 2>/dev/null)" = "${line}"`;
export const applyOf = ({ path, line }: Step): string => `echo "${line}" > ${path}`;

export interface Shape {
  readonly name: string;
  readonly hosts: readonly Place[];
  readonly steps: readonly Step[];
  readonly key: string;
  /** How many data centers the hosts are spread over. Default: 1. */
  readonly sites?: number;
  /** A bastion for each of the data centers. Default: hosts are reached directly. */
  readonly gates?: readonly Place[];
  /** Names of hosts on which the last step fails for good. */
  readonly failing?: readonly string[];
}

/** A cluster.yaml of these hosts, with a script for each step. */
export function clusterFile({ name, hosts, steps, key, sites = 1, gates = [], failing = [] }: Shape): string {
  const siteOf = (n: number) => `dc${n % sites}`;
  const broken = failing.map((host) => `[ "$FARWEAVE_HOST" != ${host} ]`);
  return stringify({
    apiVersion: 'farweave.dev/v1',
    kind: 'Cluster',
    metadata: { name },
    sites: Object.fromEntries(
      Array.from({ length: sites }, (_, n) => [siteOf(n), gates[n] ? { via: gates[n].name } : {}]),
    ),
    ...(gates.length > 0 && {
      bastions: Object.fromEntries(
        gates.map(({ name: gate, address, port }) => [gate, { address, port, privateKey: { file: key } }]),
      ),
    }),
    access: { user: 'root', port: hosts[0]?.port, privateKey: { file: key } },
    hosts: hosts.map(({ name: host, address, port }, n) => {
      return { name: host, site: siteOf(n), address, ...(port !== hosts[0]?.port && { port }) };
    }),
    // Room for a thousand. No step makes the network; the file is checked as any.
    network: { range: '10.128.0.0/9', prefix: 24 },
    rollout: { onFailure: 'continue', budget: failing.length },
    roles: {
      script: Object.fromEntries(
        steps.map((step, n) => [
          step.name,
          {
            check: checkOf(step),
            apply: [...(n === steps.length - 1 ? broken : []), applyOf(step)].join('\n'),
          },
        ]),
      ),
    },
  });
}
