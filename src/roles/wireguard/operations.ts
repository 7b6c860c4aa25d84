import * as z from 'zod';
import type { HostSpec } from '../../plan/plan.ts';
import { holds, script, sh, writing } from '../../ssh/command.ts';
import { MESH_INTERFACE, meshAddress } from '../network.ts';
import { no, operation, unknown, yes } from '../operation.ts';
import { installed, installing, judgeInstalled, purgingAdded } from '../system/packages.ts';
import { judgeAmiss } from '../system/services.ts';
import { isKey, KEY, Mesh, PUBLIC_KEY, tunnel } from './tunnel.ts';

const NAME = 'wireguard.install';
const PACKAGES = ['wireguard-tools', 'tcpdump'];

/** Exit code 0 on a kernel that has WireGuard. Without it the same protocol runs in a process of its own. */
const KERNEL = sh`{ [ -d /sys/module/wireguard ] || modprobe -n -q wireguard 2>/dev/null; }`;

export const install = operation(NAME, z.object({}), {
  timeout: 900_000,
  publishes: [],
  undo: 'restore',
  restored: () => purgingAdded(NAME),
  probe: () => sh`${installed([...PACKAGES, 'wireguard-go'])}
if ${KERNEL}; then echo wireguard-go; fi`,
  judge: (output) => judgeInstalled(output, [...PACKAGES, 'wireguard-go']),
  apply: () => installing(NAME, PACKAGES, sh`if ! ${KERNEL}; then packages="$packages wireguard-go"; fi`),
});

/** Made on the host, and never read by anyone else. */
export const key = operation('wireguard.key', z.object({}), {
  brief: true,
  publishes: [PUBLIC_KEY],
  undo: 'restore',
  probe: () => sh`if [ -s ${KEY} ] && command -v wg > /dev/null; then wg pubkey < ${KEY} 2>/dev/null || :; fi`,
  judge: ({ stdout }) => {
    const publicKey = stdout.trim();
    if (publicKey === '') return no('no key', 'a key of its own');
    return isKey(publicKey) ? yes({ [PUBLIC_KEY]: publicKey }) : unknown('wg pubkey says what is no key');
  },
  apply: () => ({
    ...script(
      sh`mkdir -p /etc/wireguard`,
      sh`( umask 077; wg genkey > ${KEY}.farweave-new )`,
      sh`mv -f ${KEY}.farweave-new ${KEY}`,
    ),
    saves: [KEY],
  }),
});

const FILE = `/etc/wireguard/${MESH_INTERFACE}.conf`;
const UNIT = `wg-quick@${MESH_INTERFACE}.service`;
const LINK = `/etc/systemd/system/multi-user.target.wants/${UNIT}`;

/**
 * The tunnel to every host whose key is known. It may be away for a moment, yet hosts need not take turns: who waited
 * for its turn would keep all others from reaching it. The file is written last, once the interface has what it says,
 * so that a script that is cut short is not taken for one that ended.
 */
export const join = operation('wireguard.join', Mesh, {
  needs: [PUBLIC_KEY],
  brief: true,
  publishes: [],
  undo: 'restore',
  // Without its file wg-quick cannot take the interface down, and systemd calls that a failure.
  restored: () => sh`if [ -e ${FILE} ]; then systemctl restart ${UNIT}; else
  ip link delete ${MESH_INTERFACE} 2>/dev/null || :
  systemctl stop ${UNIT} || :
  systemctl reset-failed ${UNIT} 2>/dev/null || :
  rmdir /run/wireguard 2>/dev/null || :
fi
systemctl daemon-reload`,
  probe: (
    host,
    args,
    facts,
  ) => sh`if ! ${holds(FILE, tunnel(host, args, facts[PUBLIC_KEY]).file)}; then echo 'another configuration'; fi
if ! systemctl is-enabled -q ${UNIT} 2>/dev/null; then echo 'not started at boot'; fi
if ! ${asConfigured(host, args)}; then
  if systemctl is-active -q ${UNIT} && ! ${routed(host, args)}; then echo 'no route into the mesh'; else echo 'no such interface'; fi
elif ! ${holdsPeers(tunnel(host, args, facts[PUBLIC_KEY]))}; then echo 'other peers'; fi`,
  judge: (output, host, args, facts) =>
    judgeAmiss(output, `${tunnel(host, args, facts[PUBLIC_KEY]).peers.length} peers on ${MESH_INTERFACE}`),
  apply: (host, args, _, facts) => {
    const { file, synced } = tunnel(host, args, facts[PUBLIC_KEY]);
    return {
      ...script(
        // The key goes from its file through a pipe: a name of the key in a command line is a key in a command line.
        sh`synced() { printf %s ${synced} | awk 'FNR == NR { key = $0; next } { print } /^\[Interface\]/ { print "PrivateKey = " key }' ${KEY} -; }`,
        sh`if ${asConfigured(host, args)}; then synced | wg syncconf ${MESH_INTERFACE} /dev/stdin; started=yes; else started=; fi`,
        writing(FILE, file, { mode: '0600' }),
        sh`systemctl enable -q ${UNIT}`,
        sh`if [ -z "$started" ]; then
  systemctl stop ${UNIT} || :
  ip link delete ${MESH_INTERFACE} 2>/dev/null || :
  systemctl reset-failed ${UNIT} 2>/dev/null || :
  systemctl start ${UNIT} || { journalctl -u ${UNIT} -n 20 --no-pager; exit 1; }
fi`,
      ),
      saves: [FILE, LINK],
    };
  },
});

/** Exit code 0 if the interface is up with its address, port, MTU, route and key, and started by systemd: then peers can change under it. */
function asConfigured(host: HostSpec, { network, port }: Mesh) {
  const own = meshAddress(network, host);
  return sh`{ systemctl is-active -q ${UNIT} && [ "$(cat /sys/class/net/${MESH_INTERFACE}/mtu 2>/dev/null)" = ${network.mtu} ] &&
  ip -o -4 addr show dev ${MESH_INTERFACE} | grep -qF ${` ${own}/32 `} &&
  ${routed(host, { network })} &&
  [ "$(wg show ${MESH_INTERFACE} listen-port)" = ${port} ] &&
  [ "$(wg show ${MESH_INTERFACE} public-key)" = "$(wg pubkey < ${KEY})" ]; }`;
}

const routed = (host: HostSpec, { network }: Pick<Mesh, 'network'>) =>
  sh`ip -o -4 route show ${network.range} dev ${MESH_INTERFACE} | grep -qF ${`src ${meshAddress(network, host)}`}`;

function holdsPeers({ peers }: ReturnType<typeof tunnel>) {
  const wanted = peers.map(({ publicKey, subnet }) => `${publicKey}\t${subnet}`).toSorted();
  return sh`[ "$(wg show ${MESH_INTERFACE} allowed-ips | LC_ALL=C sort)" = ${wanted.join('\n')} ]`;
}
