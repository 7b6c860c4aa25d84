import * as z from 'zod';
import { docker } from '../docker/index.ts';
import type { DnsRecord } from '../network.ts';
import type { Context, Role } from '../role.ts';
import { answers, install, type Names, serve } from './operations.ts';

const Dns = z
  .strictObject({
    records: z
      .record(
        z.string().regex(/^(?!-)[a-z0-9-]{1,63}$/, 'wants a name in lower case, without the domain'),
        z.array(z.ipv4()).min(1),
      )
      .default({})
      .describe('More names under the domain, with their addresses. Several addresses are round robin.'),
  })
  .describe("Names for the cluster's containers.");

/** Names for the cluster's containers, answered on every host that has containers. */
export const dns: Role<z.infer<typeof Dns>> = {
  name: 'dns',
  config: Dns,
  always: true,
  operations: [install, serve, answers],
  validate: (config, { records }) =>
    Object.keys(config.records)
      .filter((name) => records.some((record) => record.name === name))
      .map((name) => ({ severity: 'error', path: ['records', name], message: `${name} is the name of a container` })),
  stages: (config, context) => {
    const on = context.hostsOf(docker);
    if (on.length === 0) return [];
    const args = namesOf(config, context, [...context.records, ...context.leavingRecords]);
    return [
      install.over(on, 'install a name server', {}),
      serve.over(on, 'serve the names of containers', args),
      answers.over(on, 'answer for every name', args),
    ];
  },
  leave: (config, context) => {
    const on = context.hostsOf(docker);
    const args = namesOf(config, context, context.records);
    return on.length === 0 ? [] : [serve.over(on, 'drop the names of hosts that leave', args)];
  },
};

const namesOf = (
  config: z.infer<typeof Dns>,
  { network }: Pick<Context, 'network'>,
  records: readonly DnsRecord[],
): Names => ({ network, names: { ...grouped(records), ...config.records } });

/** The same name several times becomes one name with several addresses. */
function grouped(records: readonly DnsRecord[]): Record<string, string[]> {
  const names: Record<string, string[]> = {};
  for (const { name, address } of records) (names[name] ??= []).push(address);
  return names;
}
