import type { Claim, Named, Subject } from './figures.ts';

const named =
  (part: string) =>
  (subject: Subject, work: string, hosts: number): Named => ({ part, subject, work, hosts });
const [a, b, d, e] = [named('a'), named('b'), named('d'), named('e')];

const SIZES = [10, 100, 300];

/** What is to be reached, and the other ratios that say something. */
export const claims: readonly Claim[] = [
  ...SIZES.flatMap((hosts): Claim[] => [
    {
      says: `ten checks on ${hosts} hosts, over a bare ssh2 script`,
      of: a('farweave', 'checks', hosts),
      over: a('bare ssh2', 'checks', hosts),
      ...(hosts === 100 && { atMost: 0.8 }),
    },
    {
      says: `ten changes on ${hosts} hosts, over a bare ssh2 script`,
      of: a('farweave', 'changes', hosts),
      over: a('bare ssh2', 'changes', hosts),
      ...(hosts === 100 && { atMost: 1.5 }),
    },
    ...rivals(hosts, 'checks', { pyinfra: 1 / 3, ansible: 1 / 30 }),
    ...rivals(hosts, 'changes', { pyinfra: 1 / 1.5, ansible: 1 / 15 }),
  ]),
  ...SIZES.flatMap((hosts): Claim[] => [
    {
      says: `a converged re-run of ${hosts} hosts, over only connecting to them`,
      of: b('farweave', 'converged', hosts),
      over: b('only connecting', 'connect', hosts),
      ...(hosts === 300 && { atMost: 1.5 }),
    },
    {
      says: `a look for drift over ${hosts} hosts, over only connecting to them`,
      of: b('farweave', 'drift', hosts),
      over: b('only connecting', 'connect', hosts),
      ...(hosts === 300 && { atMost: 1.5 }),
    },
  ]),
  ...[1, 50].map(
    (hosts): Claim => ({
      says: `round trips of a converged re-run of ${hosts} hosts, over those that the protocol needs`,
      of: named('c')('farweave', 'converged: round trips', hosts),
      over: named('c')('bare ssh2', 'one command: round trips', hosts),
      atMost: 1.3,
    }),
  ),
  {
    says: 'a full rollout over 1,000 hosts, by the host, over one of 100 (1 is linear)',
    of: d('farweave', 'seconds a host', 1_000),
    over: d('farweave', 'seconds a host', 100),
    // What a noisy machine adds.
    atMost: 1.1,
  },
  { says: 'MiB of the worker at 1,000 hosts', of: d('farweave', 'worker, at most', 1_000), atMost: 600 },
  { says: 'KiB of the largest payload at 1,000 hosts', of: d('farweave', 'largest payload', 1_000), atMost: 256 },
  { says: 'events of the largest history at 1,000 hosts', of: d('farweave', 'largest history', 1_000), atMost: 10_000 },
  {
    says: 'ten changes on 100 hosts, over the same scripts in one exec a host, which remembers nothing',
    of: e('farweave', 'changes', 100),
    over: e('bare ssh2', 'changes in one exec', 100),
  },
  {
    says: 'ten changes on 300 hosts behind a bastion a site, over the same hosts reached directly',
    of: named('g')('farweave', 'changes, through bastions', 300),
    over: named('g')('farweave', 'changes, directly', 300),
  },
  ...['changes', 'checks'].flatMap((work) =>
    [2, 4].map(
      (workers): Claim => ({
        says: `ten ${work} on 100 hosts with ${workers} workers, over 1`,
        of: named('f')('farweave', `${work}, ${workers} workers`, 100),
        over: named('f')('farweave', `${work}, 1 worker`, 100),
      }),
    ),
  ),
];

/** Against rivals only where they were run, which is at one size. */
function rivals(
  hosts: number,
  work: string,
  targets: { readonly pyinfra: number; readonly ansible: number },
): readonly Claim[] {
  return (['pyinfra', 'ansible', 'ansible + mitogen'] as const).map((subject) => ({
    says: `ten ${work} on ${hosts} hosts, over ${subject}`,
    of: a('farweave', work, hosts),
    over: a(subject, work, hosts),
    ...(hosts === 100 && subject !== 'ansible + mitogen' && { atMost: targets[subject] }),
  }));
}
