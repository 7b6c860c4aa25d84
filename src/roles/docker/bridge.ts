import * as z from 'zod';
import type { HostSpec } from '../../plan/plan.ts';
import { holds, script, sh, writing } from '../../ssh/command.ts';
import { BRIDGE, BRIDGE_INTERFACE, gateway, MESH_INTERFACE, type Network, networkArgs, subnet } from '../network.ts';
import { no, operation, unknown, yes } from '../operation.ts';
import { judgeAmiss, type Service, serviceAmiss, serviceRestored, serving } from '../system/services.ts';

const Args = z.object({ network: networkArgs });

/** As `docker network inspect` shows it. */
const Shown = z.object({
  Driver: z.string(),
  IPAM: z.object({ Config: z.array(z.object({ Subnet: z.string(), Gateway: z.string().optional() })) }),
  Options: z.record(z.string(), z.string()).nullable(),
});

export const network = operation('docker.network', Args, {
  brief: true,
  publishes: [],
  // Made anew, it is away for whoever is on it.
  disrupts: true,
  undo: () => sh`docker network rm ${BRIDGE} || :`,
  probe: () => sh`if ! systemctl is-active -q docker; then echo 'Docker does not run'; exit 0; fi
timeout 20 docker network inspect --format ${'{{json .}}'} ${BRIDGE} 2>/dev/null || echo 'no such network'`,
  judge: ({ stdout }, host, args) => {
    const wanted = `${subnet(args.network, host)} on ${BRIDGE_INTERFACE}, MTU ${args.network.mtu}`;
    if (!stdout.startsWith('{')) return no(stdout.trim(), wanted);
    const shown = Shown.safeParse(JSON.parse(stdout));
    if (!shown.success) return unknown(`docker network inspect: ${z.prettifyError(shown.error)}`);
    const { Driver, IPAM, Options } = shown.data;
    const differing = [
      ['driver', Driver, 'bridge'],
      ['subnet', IPAM.Config[0]?.Subnet, subnet(args.network, host)],
      ['gateway', IPAM.Config[0]?.Gateway, gateway(args.network, host)],
      ...Object.entries(options(args.network)).map(([option, value]) => [option, Options?.[option], value]),
    ].find(([, now, is]) => now !== is);
    return differing ? no(`${differing[0]} ${differing[1] ?? 'missing'}`, wanted) : yes();
  },
  apply: (host, args) =>
    script(
      sh`if docker network inspect ${BRIDGE} > /dev/null 2>&1; then docker network rm ${BRIDGE}; fi`,
      sh`docker network create --driver bridge --subnet ${subnet(args.network, host)} --gateway ${gateway(args.network, host)} \
  ${Object.entries(options(args.network)).map(([option, value]) => `--opt=${option}=${value}`)} ${BRIDGE}`,
    ),
});

/**
 * Since Docker 28 what arrives for a container's address from elsewhere is dropped, but for trusted interfaces. Older
 * engines do not mind the option, and forget it: that is why there is a rule of our own as well.
 */
function options({ mtu }: Network): Readonly<Record<string, string>> {
  return {
    'com.docker.network.bridge.name': BRIDGE_INTERFACE,
    'com.docker.network.bridge.enable_ip_masquerade': 'false',
    'com.docker.network.bridge.trusted_host_interfaces': MESH_INTERFACE,
    'com.docker.network.driver.mtu': String(mtu),
  };
}

const RULES = '/etc/farweave/forwarding';
const SYSCTL = '/etc/sysctl.d/60-farweave.conf';
const FORWARDING = 'net.ipv4.ip_forward = 1\n';
const CHAIN = 'FARWEAVE';

/** Docker neither flushes its DOCKER-USER chain nor keeps it over a reboot: the rules come with every start of Docker. */
const SERVICE: Service = {
  unit: 'farweave-forwarding.service',
  wantedBy: 'docker.service',
  content: `# Written by Farweave.
[Unit]
Description=Farweave: traffic between containers and the mesh
After=docker.service
PartOf=docker.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=${RULES}

[Install]
WantedBy=docker.service
`,
};

export const forwarding = operation('docker.forwarding', Args, {
  brief: true,
  publishes: [],
  undo: 'restore',
  restored: () => script(serviceRestored(SERVICE.unit), sh`if [ ! -e ${RULES} ]; then ${{ text: WITHOUT_RULES }}; fi`),
  probe: (
    host,
    args,
  ) => sh`if [ "$(cat /proc/sys/net/ipv4/ip_forward)" != 1 ]; then echo 'the kernel does not forward'; fi
if ! ${holds(SYSCTL, FORWARDING)} || ! ${holds(RULES, rules(host, args.network))}; then echo 'no such rules on disk'; fi
${{ text: checks(host, args.network) }} || echo 'rules missing'
${serviceAmiss(SERVICE)}`,
  judge: (output) => judgeAmiss(output, 'the mesh reaches containers, nobody else does'),
  apply: (host, args) =>
    script(
      writing(SYSCTL, FORWARDING),
      sh`sysctl -q -p ${SYSCTL}`,
      writing(RULES, rules(host, args.network), { mode: '0755' }),
      serving(SERVICE),
    ),
});

const TABLES = ['raw', 'filter', 'nat'] as const;

type Rule = { readonly table: (typeof TABLES)[number]; readonly rule: string };

/** Published ports come in as DNAT. Everything else reaches a container from the mesh or its own bridge only. */
function rulesOf(host: HostSpec, mesh: Network): readonly Rule[] {
  const [inside, outside] = [BRIDGE_INTERFACE, MESH_INTERFACE];
  return [
    { table: 'raw', rule: `-i ${outside} -d ${subnet(mesh, host)} -j ACCEPT` },
    { table: 'filter', rule: `-i ${outside} -o ${inside} -j ACCEPT` },
    { table: 'filter', rule: `-i ${inside} -o ${outside} -j ACCEPT` },
    { table: 'filter', rule: `! -i ${inside} -o ${inside} -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP` },
    { table: 'nat', rule: `-s ${subnet(mesh, host)} ! -d ${mesh.range} -j MASQUERADE` },
  ];
}

const JUMPS: readonly (Rule & { readonly from: string })[] = [
  { table: 'raw', from: 'PREROUTING', rule: `-j ${CHAIN}` },
  { table: 'filter', from: 'DOCKER-USER', rule: `-j ${CHAIN}` },
  { table: 'nat', from: 'POSTROUTING', rule: `-j ${CHAIN}` },
];

/** Each table in one piece, and the same however often it runs. */
function rules(host: HostSpec, mesh: Network): string {
  const all = rulesOf(host, mesh);
  const restore = TABLES.flatMap((table) => [
    `*${table}`,
    `:${CHAIN} - [0:0]`,
    ...all.filter((one) => one.table === table).map(({ rule }) => `-A ${CHAIN} ${rule}`),
    'COMMIT',
  ]);
  return [
    '#!/bin/sh',
    '# Written by Farweave.',
    'set -eu',
    'iptables-restore --wait 10 --noflush <<END',
    ...restore,
    'END',
    'iptables -w 10 -N DOCKER-USER 2>/dev/null || :',
    ...JUMPS.map(({ table, from, rule }) => {
      const jump = (action: string) => `iptables -w 10 -t ${table} ${action} ${from} ${rule}`;
      return `${jump('-C')} 2>/dev/null || ${jump('-I')}`;
    }),
    '',
  ].join('\n');
}

function checks(host: HostSpec, mesh: Network): string {
  return [...rulesOf(host, mesh).map((rule) => ({ ...rule, from: CHAIN })), ...JUMPS]
    .map(({ table, from, rule }) => `iptables -w 10 -t ${table} -C ${from} ${rule} 2>/dev/null`)
    .join(' && ');
}

const WITHOUT_RULES = [
  ...JUMPS.map(({ table, from, rule }) => `iptables -w 10 -t ${table} -D ${from} ${rule} 2>/dev/null || :`),
  ...JUMPS.map(
    ({ table }) =>
      `{ iptables -w 10 -t ${table} -F ${CHAIN} && iptables -w 10 -t ${table} -X ${CHAIN}; } 2>/dev/null || :`,
  ),
].join('\n');
