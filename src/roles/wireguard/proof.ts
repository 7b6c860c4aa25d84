import type { HostSpec } from '../../plan/plan.ts';
import { sh } from '../../ssh/command.ts';
import { MESH_INTERFACE, meshAddress } from '../network.ts';
import { no, operation, unknown, yes } from '../operation.ts';
import { Mesh, PUBLIC_KEY, peersOf } from './tunnel.ts';

/** Seconds. A tunnel in use shakes hands every two minutes. */
const FRESH = 180;

/**
 * Every other host answers through the tunnel: asking is what brings an idle tunnel up. A host that answers nowhere is down,
 * which is no fault of the mesh and must not hold up a rollout, unless more than half of them are: then the fault is here.
 */
export const meshed = operation('wireguard.meshed', Mesh, {
  kind: 'check',
  brief: true,
  needs: [PUBLIC_KEY],
  publishes: [],
  probe: (host, args, facts) => sh`if [ ! -e /sys/class/net/${MESH_INTERFACE} ]; then echo none; exit 0; fi
look() {
  if ping -q -c 1 -W 2 "$2" > /dev/null 2>&1; then echo "answer $1"
  elif ping -q -c 1 -W 2 "$3" > /dev/null 2>&1 || timeout 3 bash -c "< /dev/tcp/$3/$4" 2> /dev/null; then echo "alive $1"; fi
}
${{
  text: othersOf(host, args, facts[PUBLIC_KEY])
    .map(
      ([name, { index, address, ssh = 22 }]) =>
        sh`look ${name} ${meshAddress(args.network, { index })} ${address} ${ssh} &`.text,
    )
    .join('\n'),
}}
wait
echo "now $(date +%s)"
wg show ${MESH_INTERFACE} latest-handshakes`,
  judge: ({ stdout }, host, args, facts) => {
    const wanted = 'a fresh handshake with every host';
    const lines = stdout.split('\n').map((line) => line.split(/\s+/));
    const named = (word: string) => new Set(lines.filter(([first]) => first === word).map(([, name]) => name));
    const [answering, alive] = [named('answer'), named('alive')];
    const now = Number(lines.find(([word]) => word === 'now')?.[1]);
    const shaken = new Map(lines.map(([publicKey, at]) => [publicKey, Number(at)]));
    const fresh = (name: string) => now - (shaken.get(facts[PUBLIC_KEY][name]) ?? 0) < FRESH;
    const others = othersOf(host, args, facts[PUBLIC_KEY]).map(([name]) => name);
    const broken = others.filter((name) => (answering.has(name) ? !fresh(name) : alive.has(name)));
    const down = others.filter((name) => !answering.has(name) && !alive.has(name));
    if (down.length > others.length / 2) return no(`no tunnel to ${[...broken, ...down].join(', ')}`, wanted);
    return broken.length === 0 ? yes() : no(`no tunnel to ${broken.join(', ')}`, wanted);
  },
});

/**
 * Listens on the outer interface while one marker goes to another host through the mesh and another past it. The second
 * must be seen, else nothing was listened to; the first must not.
 */
export const encrypted = operation('wireguard.encrypted', Mesh, {
  kind: 'check',
  needs: [PUBLIC_KEY],
  publishes: [],
  probe: (host, args, facts) => sh`folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
set -- ${ring(host, args, facts[PUBLIC_KEY]).flatMap((peer) => [peer.name, peer.meshAddress, peer.address])}
while [ $# -gt 0 ] && ! ping -q -c 1 -W 2 "$2" > /dev/null 2>&1; do shift 3; done
if [ $# = 0 ]; then echo nobody; exit 0; fi
echo "to $1"
outer=$(ip -o route get "$3" | sed -n 's/.* dev \([^ ]*\).*/\1/p')
timeout 10 tcpdump -Z root -U -n -s 0 -i "$outer" -w "$folder/wire.pcap" host "$3" 2> "$folder/log" &
tcpdump=$!
for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do grep -q 'listening on' "$folder/log" && break; sleep 0.1; done
mark() { tr -dc a-z < /dev/urandom | head -c 8; }
hex() { printf %s "$1" | od -An -tx1 | tr -d ' \n'; }
inside=$(mark) past=$(mark)
ping -q -c 2 -i 0.3 -W 1 -p "$(hex "$inside")" "$2" > /dev/null 2>&1 && echo 'sent inside'
ping -q -c 2 -i 0.3 -W 1 -p "$(hex "$past")" "$3" > /dev/null 2>&1
sleep 0.5
kill $tcpdump 2> /dev/null
wait $tcpdump
if grep -aqF "$inside" "$folder/wire.pcap"; then echo 'seen inside'; fi
if grep -aqF "$past" "$folder/wire.pcap"; then echo 'seen past'; fi
sed -n '/listening on/!p' "$folder/log" >&2`,
  judge: ({ stdout, stderr }, host, args, facts) => {
    if (othersOf(host, args, facts[PUBLIC_KEY]).length === 0) return yes();
    const said = stdout.split('\n');
    const name = said.find((line) => line.startsWith('to '))?.slice(3);
    if (!name) return no('nobody answers through the mesh', 'an answer');
    if (said.includes('seen inside')) return no(`what goes to ${name} can be read on the way`, 'encrypted');
    if (!said.includes('sent inside')) return no(`${name} does not answer through the mesh`, 'an answer');
    if (!said.includes('seen past'))
      return unknown(`nothing could be listened to on the way to ${name}: ${stderr.trim()}`);
    return yes();
  },
});

/** Without those that the rollout does without: their keys are empty. */
function othersOf(host: HostSpec, { hosts }: Mesh, keys: Readonly<Record<string, string>>) {
  return Object.entries(hosts).filter(([name]) => name !== host.name && keys[name] !== '');
}

/** The peers from the next one on, so that hosts look at different tunnels. */
function ring(host: HostSpec, args: Mesh, keys: Readonly<Record<string, string>>) {
  const peers = peersOf(host, args, keys);
  const own = args.hosts[host.name]?.index ?? 0;
  const after = peers.filter((peer) => args.hosts[peer.name]!.index > own);
  return [...after, ...peers.slice(0, peers.length - after.length)];
}
