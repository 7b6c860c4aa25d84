import type { Facts, HostSpec, Json } from '../src/plan/plan.ts';
import { contexts } from '../src/roles/context.ts';
import type { DnsRecord, Network } from '../src/roles/network.ts';
import type { Operation } from '../src/roles/operation.ts';
import type { Context, Role } from '../src/roles/role.ts';
import type { Command, Output, Script } from '../src/ssh/command.ts';

/** For tests of what operations say: a host by its place in the cluster. */
export function hostAt(index: number, address = `192.0.2.${10 + index}`): HostSpec {
  return { name: `vm${index}`, site: 'ams1', index, address, port: 22, user: 'root', labels: {}, access: {} };
}

/** The network as it is by default. */
export const network: Network = {
  driver: 'wireguard',
  range: '10.200.0.0/16',
  prefix: 24,
  domain: 'farweave.local',
  mtu: 1320,
};

/** What a command answered. */
export function said(stdout: string, exitCode = 0, stderr = ''): Output {
  return { exitCode, stdout, stderr };
}

/** The script by which an operation brings its state about. */
export function applied<Args extends Json, Fact extends string>(
  operation: Operation<Args, Fact>,
  host: HostSpec,
  args: Args,
  facts: Facts = {},
): Script {
  if (!('apply' in operation)) throw new Error(`${operation.name} changes nothing`);
  return operation.apply(host, args, { is: 'no', now: '', wanted: '' }, facts as Parameters<typeof operation.apply>[3]);
}

/** What a role is told of a cluster of these hosts, where only it and `others` are used. */
export function contextOf<Config>(
  role: Role<Config>,
  section: unknown,
  hosts: readonly HostSpec[],
  others: readonly Role[] = [],
  records: readonly DnsRecord[] = [],
): { readonly config: Config; readonly context: Context } {
  const config = role.config.parse(section);
  const sections = {
    ...Object.fromEntries(others.map((other) => [other.name, other.config.parse({})])),
    [role.name]: config,
  };
  const layout = { cluster: 'demo', sites: {}, hosts, network, sections };
  return { config, context: { ...contexts(layout, [role as Role, ...others])(role as Role), records } };
}

/** Everything that an operation would have a host run: its probe, its change, and the way back. */
export function commandsOf(operation: Operation, host: HostSpec, args: Json, facts: Facts): readonly Command[] {
  const probe = operation.probe(host, args, facts);
  const commands: (Command | undefined)[] = ['text' in probe ? probe : 'shows' in probe ? probe.shows : undefined];
  if ('apply' in operation) {
    const { undo } = operation;
    commands.push(
      operation.apply(host, args, { is: 'no', now: '', wanted: '' }, facts),
      typeof undo === 'function' ? undo(host, args) : undefined,
      operation.restored?.(host, args),
      operation.keyInPlace?.(),
    );
  }
  return commands.filter((command) => command !== undefined);
}
