import type { Lab } from '../lab/view.ts';

export interface LabClusterOptions {
  readonly name: string;
  /** References to the secrets, as they stand in the file. */
  readonly secrets: { readonly password: string; readonly adminPassword: string };
}

/** From environment variables: the file then says how it is called, and holds for everybody's lab. */
export const FROM_ENVIRONMENT = {
  password: '{ env: FARWEAVE_PASSWORD }',
  adminPassword: '{ env: NODEBB_ADMIN_PASSWORD }',
};

/** A cluster.yaml for the hosts of a lab: the article's cluster, small, with the images of the lab's own registry. */
export function labCluster(lab: Lab, { name, secrets }: LabClusterOptions): string {
  const voters = lab.hosts.slice(0, mostVoters(lab.hosts.length)).map((host) => host.name);
  return `# The article's cluster on the hosts of the lab ${lab.id}. Made by farweave; the lab's addresses change when it is made anew.
apiVersion: farweave.dev/v1
kind: Cluster
metadata:
  name: ${name}

sites:
${lab.sites.map((site) => `  ${site}: {}`).join('\n')}

access:
  user: vagrant
  password: ${secrets.password}

hosts:
${lab.hosts.map(hostText).join('\n')}

network:
  driver: wireguard
${endpoints(lab)}
roles:
  docker:
    insecureRegistries: [${JSON.stringify(lab.registry)}]
  dns: {}
  mongodb:
    hosts: [${voters.join(', ')}]
    image: ${JSON.stringify(lab.images.mongodb)}
    cacheGB: 0.25
    oplogMB: 64
  nodebb:
    image: ${JSON.stringify(lab.images.nodebb)}
    admin:
      username: admin
      password: ${secrets.adminPassword}

rollout:
  onFailure: pause
`;
}

/** Where the engine runs in a machine of its own, hosts reach each other elsewhere than this machine reaches them. */
function endpoints({ hosts }: Lab): string {
  const apart = hosts.filter(({ address, sshAddress }) => address !== sshAddress);
  return apart.length === 0
    ? ''
    : `  endpoints: { ${apart.map(({ name, address }) => `${name}: ${address}`).join(', ')} }\n`;
}

function hostText({ name, site, sshAddress, port, hostKey, front }: Lab['hosts'][number]): string {
  return [
    `  - name: ${name}`,
    `    site: ${site}`,
    `    address: ${sshAddress}`,
    ...(port === 22 ? [] : [`    port: ${port}`]),
    ...(hostKey ? [`    hostKey: ${hostKey}`] : []),
    ...(front ? [`    labels: { nodebb.front: ${JSON.stringify(front)} }`] : []),
  ].join('\n');
}

/** A replica set wants an odd number of voters, and takes seven. */
function mostVoters(hosts: number): number {
  return Math.min(7, hosts % 2 === 0 ? Math.max(1, hosts - 1) : hosts);
}
