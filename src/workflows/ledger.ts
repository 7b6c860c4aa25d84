import { BASTION_KEY, type Facts, type HostSpec } from '../plan/plan.ts';
import type { Ledger } from './contract.ts';

/** Where a rollout begins: nothing has happened yet. */
export function blank(facts: Facts): Ledger {
  return { facts, settled: {}, touched: {}, parked: [], steps: {}, generations: {}, problems: [] };
}

/** Without the hosts that have left the cluster: nobody is to join them. */
export function factsOf(hosts: readonly HostSpec[], facts: Facts): Facts {
  const names = new Set(hosts.map((host) => host.name));
  const only = (table: Facts[string]) => Object.fromEntries(Object.entries(table).filter(([host]) => names.has(host)));
  // Bastions are no hosts: who is not known any more is met anew, as if for the first time.
  const kept = (fact: string, table: Facts[string]) => (fact === BASTION_KEY ? table : only(table));
  return Object.fromEntries(Object.entries(facts).map(([fact, table]) => [fact, kept(fact, table)]));
}
