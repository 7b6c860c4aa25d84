import { isIP } from 'node:net';

export interface InitOptions {
  readonly name: string;
  /** The one site of all hosts. Missing: each host stands in a site of its own, since nothing is known of them. */
  readonly site?: string;
}

/** How to reach a host, as one writes it on a command line. */
interface Address {
  readonly user?: string;
  readonly address: string;
  readonly port?: string;
}

/**
 * A first cluster.yaml for hosts that are known by `user@address[:port]` (`[…]` around IPv6 where a port follows).
 * Every choice in it has a comment. What is not an address is for `parseCluster` to refuse.
 */
export function initialCluster(targets: readonly string[], { name, site }: InitOptions): string {
  const addresses = targets.map(readTarget);
  const user = addresses[0]?.user ?? 'root';
  const sites = site === undefined ? addresses.map((_, n) => `site${n}`) : [site];
  const hosts = addresses.map((address, n) => hostText(address, { name: `host${n}`, site: site ?? `site${n}`, user }));
  return `# A cluster for Farweave. \`farweave validate\` checks this file, \`farweave plan\` says what would happen.
# Every field there is stands in cluster.example.yaml.
apiVersion: farweave.dev/v1
kind: Cluster
metadata:
  name: ${scalar(name)}

# Data centers. Hosts of one site are handled together; a site that is down holds up no other.
sites:
${sites.map((each) => `  ${scalar(each)}: {}`).join('\n')}

# How to log in, for every host that does not say otherwise. Secrets stand here by reference, never by value.
access:
  user: ${scalar(user)}
  password: { env: FARWEAVE_PASSWORD } # or privateKey: { file: ~/.ssh/id_ed25519 }

hosts:
${hosts.join('\n')}

# What to roll out. A section may be {} for all defaults; one that is missing is not rolled out.
roles:
  docker: {}
  dns: {}
  mongodb: {}
  nodebb: {}
`;
}

/** Takes `user@address:port` apart. IPv6 without brackets has no port. */
export function readTarget(target: string): Address {
  const at = target.lastIndexOf('@');
  const place = target.slice(at + 1);
  const user = at > 0 ? { user: target.slice(0, at) } : {};
  if (isIP(place) === 6) return { ...user, address: place };
  const [, bracketed, plain, port] = /^(?:\[(.*)\]|([^:]*))(?::(.*))?$/.exec(place) ?? [];
  const address = bracketed ?? plain ?? place;
  return port === undefined ? { ...user, address } : { ...user, address, port };
}

function hostText(
  { address, port, user }: Address,
  host: { readonly name: string; readonly site: string; readonly user: string },
): string {
  return [
    `  - name: ${host.name}`,
    `    site: ${scalar(host.site)}`,
    `    address: ${scalar(address)}`,
    ...(port === undefined ? [] : [`    port: ${/^\d+$/.test(port) ? port : scalar(port)}`]),
    ...(user === undefined || user === host.user ? [] : [`    user: ${scalar(user)}`]),
  ].join('\n');
}

/** A YAML scalar that is a text, whatever stands in it. */
function scalar(value: string): string {
  return /^[A-Za-z][\w.-]*$|^\d+\.\d+\.\d+\.\d+$/.test(value) && !/^(?:true|false|null|yes|no|on|off)$/i.test(value)
    ? value
    : JSON.stringify(value);
}
