import { sh } from '../../ssh/command.ts';
import { MESH_INTERFACE } from '../network.ts';
import { no, operation, unknown, yes } from '../operation.ts';
import { Mesh, PUBLIC_KEY, peersOf } from './tunnel.ts';

/** Seconds. A tunnel in use shakes hands every two minutes. */
const FRESH = 180;

/** Every peer answers through the tunnel: asking is what brings an idle tunnel up. */
export const meshed = operation('wireguard.meshed', Mesh, {
  kind: 'check',
  brief: true,
  needs: [PUBLIC_KEY],
  publishes: [],
  probe: (host, args, facts) => sh`if [ ! -e /sys/class/net/${MESH_INTERFACE} ]; then echo none; exit 0; fi
for peer in ${peersOf(host, args, facts[PUBLIC_KEY]).map((peer) => peer.meshAddress)}; do
  { ping -q -c 1 -W 2 "$peer" > /dev/null 2>&1 && echo "answer $peer"; } &
done
wait
echo "now $(date +%s)"
wg show ${MESH_INTERFACE} latest-handshakes`,
  judge: ({ stdout }, host, args, facts) => {
    const lines = stdout.split('\n').map((line) => line.split(/\s+/));
    const answers = new Set(lines.filter(([word]) => word === 'answer').map(([, address]) => address));
    const now = Number(lines.find(([word]) => word === 'now')?.[1]);
    const shaken = new Map(lines.map(([publicKey, at]) => [publicKey, Number(at)]));
    const missing = Object.keys(args.hosts).filter((name) => name !== host.name && !facts[PUBLIC_KEY][name]);
    const silent = peersOf(host, args, facts[PUBLIC_KEY])
      .filter((peer) => !answers.has(peer.meshAddress) || !(now - shaken.get(peer.publicKey)! < FRESH))
      .map((peer) => peer.name);
    const all = [...missing, ...silent];
    return all.length === 0 ? yes() : no(`no tunnel to ${all.join(', ')}`, 'a fresh handshake with every peer');
  },
});

/**
 * Listens on the outer interface while one marker goes to the next host through the mesh and another past it. The second
 * must be seen, else nothing was listened to; the first must not.
 */
export const encrypted = operation('wireguard.encrypted', Mesh, {
  kind: 'check',
  needs: [PUBLIC_KEY],
  publishes: [],
  probe: (host, args, facts) => {
    const next = nextOf(host, args, facts[PUBLIC_KEY]);
    if (!next) return sh`:`;
    return sh`folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
outer=$(ip -o route get ${next.address} | sed -n 's/.* dev \([^ ]*\).*/\1/p')
timeout 10 tcpdump -Z root -U -n -s 0 -i "$outer" -w "$folder/wire.pcap" host ${next.address} 2> "$folder/log" &
tcpdump=$!
for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do grep -q 'listening on' "$folder/log" && break; sleep 0.1; done
mark() { tr -dc a-z < /dev/urandom | head -c 8; }
inside=$(mark) past=$(mark)
hex() { printf %s "$1" | od -An -tx1 | tr -d ' \n'; }
ping -q -c 2 -i 0.3 -W 1 -p "$(hex "$inside")" ${next.meshAddress} > /dev/null 2>&1 && echo 'sent inside'
ping -q -c 2 -i 0.3 -W 1 -p "$(hex "$past")" ${next.address} > /dev/null 2>&1 && echo 'sent past'
sleep 0.5
kill $tcpdump 2>/dev/null
wait $tcpdump
if grep -aqF "$inside" "$folder/wire.pcap"; then echo 'seen inside'; fi
if grep -aqF "$past" "$folder/wire.pcap"; then echo 'seen past'; fi
sed -n '/listening on/!p' "$folder/log" >&2`;
  },
  judge: ({ stdout, stderr }, host, args, facts) => {
    const said = stdout.split('\n');
    const next = nextOf(host, args, facts[PUBLIC_KEY]);
    if (!next) return Object.keys(args.hosts).length === 1 ? yes() : no('no peer', 'a peer to send to');
    const { name } = next;
    if (said.includes('seen inside')) return no(`what goes to ${name} can be read on the way`, 'encrypted');
    if (!said.includes('sent inside')) return no(`${name} does not answer through the mesh`, 'an answer');
    if (!said.includes('seen past'))
      return unknown(`nothing could be listened to on the way to ${name}: ${stderr.trim()}`);
    return yes();
  },
});

/** In a ring, so that every host's tunnel is looked at from one side. */
function nextOf(host: Parameters<typeof peersOf>[0], args: Mesh, keys: Readonly<Record<string, string>>) {
  const peers = peersOf(host, args, keys);
  const own = args.hosts[host.name]?.index ?? 0;
  return peers.find((peer) => args.hosts[peer.name]!.index > own) ?? peers[0];
}
