import { refused } from './admission.ts';
import { type Added, type ClusterState, type HostControls, type HostRequest, hostsIn, isOver } from './contract.ts';
import { refuseMoved } from './owner.ts';

/** Requests at a time: each may hold a host with all that is said of it. */
const MOST = 50;

export type Change = HostRequest['change'];

/**
 * Whether a change of hosts may be asked for, as far as that can be told at once: whether the cluster would be one with it
 * is asked of a worker, who knows the roles. Throws what the sender is told if not.
 */
export function admitChange(name: string, state: ClusterState): void {
  refuseMoved(name, state);
  if (state.destroyed || state.rollout?.purpose === 'destroy')
    throw refused('InvalidRequest', `${name} is being taken away, or was: apply it again first`);
  if (state.wanted === undefined)
    throw refused(
      'InvalidRequest',
      `no cluster.yaml of ${name} is kept here: apply it once, then its hosts can change`,
    );
  const open = (state.requests ?? []).filter((request) => !isOver(request));
  if (open.length >= MOST) throw refused('InvalidRequest', `${open.length} changes of hosts wait already`);
}

/** What is asked for by one kind of message. Throws where it is none. */
export function changeOf<Name extends keyof HostControls>(name: Name, given: unknown): Change {
  const asked = recordOf(given, name);
  if (name === 'addHost') return { add: [hostIn(asked['host'], EXAMPLES.addHost)] };
  if (name === 'replaceHost') {
    if (typeof asked['host'] !== 'string') throw wants(EXAMPLES.replaceHost);
    return { replace: asked['host'], with: hostIn(asked['with'], EXAMPLES.replaceHost) };
  }
  const { hosts } = asked;
  if (!Array.isArray(hosts) || hosts.length === 0 || !hosts.every((host) => typeof host === 'string'))
    throw wants(EXAMPLES.removeHost);
  return { remove: hosts };
}

/** Messages that can be copied. */
export const EXAMPLES = {
  addHost: '{"host": {"name": "vm3", "site": "fra", "address": "192.0.2.13", "hostKey": "SHA256:…"}, "by": "you"}',
  removeHost: '{"hosts": ["vm2"], "by": "you"}',
  replaceHost: '{"host": "vm0", "with": {"name": "vm0", "site": "ams", "address": "192.0.2.14"}, "by": "you"}',
  approveHost: '{"id": "h3", "by": "you"}',
  withdrawHost: '{"id": "h3", "by": "you"}',
} as const satisfies Record<keyof HostControls, string>;

/** A signal may come from anybody who reaches the server: it names what workers know, and brings nothing along. */
export function admitSecretsOf(change: Change): void {
  for (const host of hostsIn(change)) {
    const { password, privateKey, passphrase, sudo } = host;
    const own = { password, privateKey, passphrase, 'sudo.password': sudo?.password };
    for (const [field, reference] of Object.entries(own))
      if (reference !== undefined && !(typeof reference === 'object' && reference !== null && 'worker' in reference))
        throw refused(
          'InvalidRequest',
          `${field} of ${host.name}: a signal names an entry of the workers' allowlist, {"worker": "ENTRY"}, or leaves it to the cluster's access`,
        );
  }
}

/** The request of an id, if it is in one of these states. */
export function admitAnswer(
  name: string,
  { requests = [] }: Pick<ClusterState, 'requests'>,
  given: unknown,
  states: readonly HostRequest['state'][],
): HostRequest {
  const { id } = recordOf(given, 'approveHost');
  const found = requests.find((request) => request.id === id);
  if (!found) {
    const open = requests.filter(({ state }) => states.includes(state)).map((request) => request.id);
    throw refused(
      'InvalidRequest',
      `${name} knows no request ${String(id)}${open.length > 0 ? `; there ${open.length === 1 ? 'is' : 'are'} ${open.join(', ')}` : ''}`,
    );
  }
  if (states.includes(found.state)) return found;
  throw refused(
    'InvalidRequest',
    `${found.id} is ${found.state}: nothing to ${states.includes('asking') && states.length === 1 ? 'approve' : 'withdraw'}`,
  );
}

function hostIn(host: unknown, example: string): Added {
  const { name } = typeof host === 'object' && host !== null ? (host as Partial<Added>) : {};
  if (typeof name !== 'string') throw wants(example);
  return host as Added;
}

function recordOf(given: unknown, name: keyof HostControls): Readonly<Record<string, unknown>> {
  if (typeof given === 'object' && given !== null) return given as Readonly<Record<string, unknown>>;
  throw wants(EXAMPLES[name]);
}

const wants = (example: string) => refused('InvalidRequest', `wants a message such as ${example}`);
