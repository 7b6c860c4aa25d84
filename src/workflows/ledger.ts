import type { Facts, HostSpec } from '../plan/plan.ts';
import type { Ledger } from './contract.ts';

/** Where a rollout begins: nothing has happened yet. */
export function blank(facts: Facts): Ledger {
  return { facts, settled: {}, touched: {}, parked: [], steps: {}, generations: {}, problems: [] };
}

/** Without the hosts that have left the cluster: nobody is to join them. */
export function factsOf(hosts: readonly HostSpec[], facts: Facts): Facts {
  const names = new Set(hosts.map((host) => host.name));
  const only = (table: Facts[string]) => Object.fromEntries(Object.entries(table).filter(([host]) => names.has(host)));
  return Object.fromEntries(Object.entries(facts).map(([fact, table]) => [fact, only(table)]));
}
