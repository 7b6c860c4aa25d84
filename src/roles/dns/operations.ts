import * as z from 'zod';
import type { HostSpec } from '../../plan/plan.ts';
import { holds, script, sh, writing } from '../../ssh/command.ts';
import { gateway, networkArgs, RESOLVER } from '../network.ts';
import { no, operation, yes } from '../operation.ts';
import { packagesInstalled } from '../system/packages.ts';
import { judgeAmiss, type Service, serviceAmiss, serviceRestored, serving } from '../system/services.ts';

export const Names = z.object({
  network: networkArgs,
  /** Without the domain → addresses. */
  names: z.record(z.string(), z.array(z.string())),
});

export type Names = z.infer<typeof Names>;

/** `host` is for the check, and for whoever looks for a fault. */
export const install = packagesInstalled('dns.install', z.object({}), () => ['dnsmasq-base', 'bind9-host'], {
  'dnsmasq-base': 'dnsmasq',
});

const CONFIG = '/etc/farweave/dns.conf';
const HOSTS = '/etc/farweave/dns.hosts';
/** What the server that runs was started with: systemd takes the folder away when it stops. */
const LOADED = '/run/farweave-dns';

const SERVICE: Service = {
  unit: 'farweave-dns.service',
  wantedBy: 'multi-user.target',
  content: `# Written by Farweave.
[Unit]
Description=Farweave: names of the cluster's containers
After=network.target docker.service

[Service]
RuntimeDirectory=farweave-dns
ExecStartPre=/bin/cp ${CONFIG} ${HOSTS} ${LOADED}/
ExecStart=/usr/sbin/dnsmasq --keep-in-foreground --conf-file=${LOADED}/dns.conf
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=1
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
NoNewPrivileges=yes

[Install]
WantedBy=multi-user.target
`,
};

/** A name server for containers, on the bridge alone: nothing else on the host changes. Started anew when and only when what it serves changes. */
export const serve = operation('dns.serve', Names, {
  brief: true,
  publishes: [],
  undo: 'restore',
  restored: () => serviceRestored(SERVICE.unit),
  probe: (host, args) => sh`if ! ${holds(CONFIG, config(host, args))}; then echo 'another configuration'; fi
if ! ${holds(HOSTS, hosts(args))}; then echo 'other names'; fi
if ! ${holds(RESOLVER, resolver(host, args))}; then echo 'containers ask elsewhere'; fi
if ! cmp -s ${CONFIG} ${LOADED}/dns.conf || ! cmp -s ${HOSTS} ${LOADED}/dns.hosts; then echo 'not started with them'; fi
${serviceAmiss(SERVICE)}`,
  judge: (output, _, args) =>
    judgeAmiss(output, `${Object.keys(args.names).length} names under ${args.network.domain}`),
  apply: (host, args) =>
    script(
      writing(CONFIG, config(host, args)),
      writing(HOSTS, hosts(args)),
      writing(RESOLVER, resolver(host, args)),
      serving(SERVICE),
    ),
});

/** Every name with all its addresses, asked as a container would. */
export const answers = operation('dns.answers', Names, {
  kind: 'check',
  brief: true,
  publishes: [],
  probe: (host, args) => sh`if ! command -v host > /dev/null; then exit 0; fi
for name in ${Object.keys(args.names).map((name) => `${name}.${args.network.domain}`)}; do
  host -t A -W 2 "$name" ${gateway(args.network, host)}
done
exit 0`,
  judge: ({ stdout }, _, { names, network }) => {
    const lines = new Set(stdout.split('\n').map((line) => line.replace(' has address ', ' ').trim()));
    const wrong = Object.entries(names).find(([name, addresses]) =>
      addresses.some((address) => !lines.has(`${name}.${network.domain} ${address}`)),
    );
    return wrong ? no(`no answer for ${wrong[0]}`, `${wrong[0]} at ${wrong[1].join(', ')}`) : yes();
  },
});

/**
 * Upstream is whatever the host asks: a stub of systemd-resolved will do, since the server runs on the host.
 * `bind-dynamic`: the bridge comes and goes with Docker. Several addresses of a name are rotated by default.
 */
function config(host: HostSpec, { network }: Names): string {
  return [
    '# Written by Farweave.',
    `listen-address=${gateway(network, host)}`,
    'bind-dynamic',
    'no-hosts',
    `addn-hosts=${LOADED}/dns.hosts`,
    `local=/${network.domain}/`,
    'resolv-file=/etc/resolv.conf',
    'domain-needed',
    'bogus-priv',
    'cache-size=1000',
    'pid-file=',
    '',
  ].join('\n');
}

function hosts({ network, names }: Names): string {
  const lines = Object.entries(names).flatMap(([name, addresses]) =>
    addresses.map((address) => `${address} ${name}.${network.domain}\n`),
  );
  return ['# Written by Farweave.\n', ...lines].join('');
}

/** What containers find as /etc/resolv.conf. */
function resolver(host: HostSpec, { network }: Names): string {
  return [
    '# Written by Farweave.',
    `nameserver ${gateway(network, host)}`,
    `search ${network.domain}`,
    'options timeout:2 attempts:3',
    '',
  ].join('\n');
}
