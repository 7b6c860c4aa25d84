import * as z from 'zod';
import type { HostSpec, Stage } from '../../plan/plan.ts';
import { type Command, script, secret, sh, text, words } from '../../ssh/command.ts';
import { ACCESS_KEY, ACCESS_SUDO } from '../access-key.ts';
import { no, operation, unknown, yes } from '../operation.ts';
import { STATE } from './packages.ts';

/** `mark` stands at the end of the key's line: `farweave:demo`, and `farweave:demo:2` for the second key of the cluster demo. */
const Key = z.object({ key: z.string(), mark: z.string() });
type Key = z.infer<typeof Key>;

const Keys = Key.extend({ cluster: z.string() });

/** The key of the cluster is among those that the login user takes. */
export const key = operation('system.key', Key, {
  brief: true,
  publishes: [],
  probe: (host, { key: name, mark }) => sh`${finding(host)}
[ -f "$file" ] && grep -qxF ${words(line(name, mark))} "$file"`,
  judge: ({ exitCode, stderr }, { user }) => {
    if (exitCode === 0) return yes();
    return exitCode === 1 ? no('without it', `the cluster’s key with ${user}`) : unknown(stderr.trim());
  },
  admits: ({ key: name }) => name,
  // What is there already is another's, and stays as it is.
  apply: (host, { key: name, mark }) =>
    script(
      finding(host),
      sh`$as sh -c ${APPEND} sh "$file" ${words(line(name, mark))}
rm -f ${REMOVED}`,
    ),
  // Not before the former ones are back, or nobody might get in any more.
  undo: (host, { mark }) =>
    script(
      finding(host),
      sh`[ ! -e ${REMOVED} ] || { echo 'the former keys are not back, so this one stays' >&2; exit 1; }
$as sh -c ${REMOVE} sh "$file" ${ending(mark)} '^$'`,
    ),
});

/** It lets us in, and makes us root: only then is anything else done without. */
export const login = operation('system.login', z.object({ key: z.string() }), {
  kind: 'check',
  timeout: 20_000,
  interval: () => 5_000,
  publishes: [ACCESS_KEY, ACCESS_SUDO],
  probe: (_, { key: name }) => ({ login: name }),
  judge: ({ exitCode, stdout, stderr }, { user }, { key: name }) =>
    exitCode === 0
      ? yes({ [ACCESS_KEY]: name, [ACCESS_SUDO]: stdout.trim() })
      : no(stderr.trim() || 'refused', `${user} let in by the cluster’s key`),
});

/** Where it keeps what is taken away, in case that is taken back. */
const REMOVED = `${STATE}/former-keys`;

/** No other key of the cluster lets anybody in. */
export const formerKeys = operation('system.formerKeys', Keys, {
  brief: true,
  publishes: [],
  probe: (host, { cluster, mark }) => sh`${finding(host)}
[ ! -f "$file" ] || grep -E ${ofCluster(cluster)} "$file" | grep -cv ${ending(mark)} || :`,
  judge: ({ exitCode, stdout, stderr }) => {
    if (exitCode !== 0) return unknown(stderr.trim());
    const others = Number(stdout.trim() || 0);
    return others === 0 ? yes() : no(`${others} former ${others === 1 ? 'key' : 'keys'} of the cluster`, 'none');
  },
  apply: (host, { cluster, mark }) =>
    script(
      finding(host),
      sh`grep -q ${ending(mark)} "$file" || { echo 'the key that is to stay is not there' >&2; exit 1; }
mkdir -p ${STATE}
grep -E ${ofCluster(cluster)} "$file" | grep -v ${ending(mark)} > ${REMOVED}.farweave-new || exit 0
mv -f ${REMOVED}.farweave-new ${REMOVED}
$as sh -c ${REMOVE} sh "$file" ${ofCluster(cluster)} ${ending(mark)}`,
    ),
  undo: (host) =>
    script(
      finding(host),
      sh`if [ -f ${REMOVED} ]; then
  while IFS= read -r former; do
    grep -qxF -e "$former" "$file" || $as sh -c ${APPEND} sh "$file" "$former"
  done < ${REMOVED}
  rm -f ${REMOVED}
fi`,
    ),
});

/** The stages of hosts that are to have the cluster's own key. */
export function keyStages(cluster: string, on: readonly HostSpec[]): readonly Stage[] {
  return [...Map.groupBy(on, ({ access }) => access.key)].flatMap(([name, hosts]) => {
    if (name === undefined) return [];
    const mark = markOf(cluster, name);
    return [
      key.over(hosts, 'install the cluster’s key', { key: name, mark }, { secrets: [name] }),
      login.over(hosts, 'log in with the cluster’s key', { key: name }, { secrets: [name] }),
      formerKeys.over(hosts, 'take its former keys away', { key: name, mark, cluster }),
    ];
  });
}

/** `farweave:demo:2` for `access.key-2`. */
const markOf = (cluster: string, name: string) =>
  `farweave:${cluster}${name.slice(ACCESS_KEY.length).replace('-', ':')}`;

/** As the user whose file it is: `$1` is the file, `$2` the line. What stands there may end without a newline. */
const APPEND = `set -eu
umask 077
mkdir -p "\${1%/*}"
[ ! -s "$1" ] || [ -z "$(tail -c 1 "$1")" ] || echo >> "$1"
printf '%s\\n' "$2" >> "$1"`;

/** Lines that match `$2`, unless they match `$3` too. By rename, or a full disk would lock everybody out. */
const REMOVE = `set -eu
[ -f "$1" ] || exit 0
umask 077
awk -v gone="$2" -v kept="$3" '$0 !~ gone || $0 ~ kept' "$1" > "$1.farweave-new"
chmod --reference="$1" "$1.farweave-new"
chown --reference="$1" "$1.farweave-new" 2>/dev/null || :
mv -f "$1.farweave-new" "$1"`;

const line = (name: string, mark: string) => text`${secret(name, 'public')} ${mark}`;

/** For grep: names of clusters and numbers hold nothing that means anything else there. */
const ending = (mark: string) => ` ${mark}$`;
const ofCluster = (cluster: string) => ` farweave:${cluster}(:[0-9]+)?$`;

/**
 * Sets `file` to where sshd looks for the keys of the login user, and `as` to what makes one that user: in their own folder
 * nothing is done as root, which a link there could lead elsewhere.
 */
function finding({ user }: HostSpec): Command {
  const as = user === 'root' ? '' : sh`runuser -u ${user} --`.text;
  return sh`home=$(getent passwd ${user} | cut -d : -f 6)
[ -n "$home" ] || { echo ${`there is no user ${user}`} >&2; exit 3; }
file=$(/usr/sbin/sshd -T -C ${`user=${user},host=localhost,addr=127.0.0.1`} 2>/dev/null |
  sed -n 's/^authorizedkeysfile \([^ ]*\).*/\1/p' | sed "s|%h|$home|g; s|%u|"${user}"|g; s|%%|%|g")
[ -n "$file" ] || file=.ssh/authorized_keys
case $file in
  none) echo ${`sshd takes no keys of ${user} from a file (AuthorizedKeysFile)`} >&2; exit 3 ;;
  /*) ;;
  *) file=$home/$file ;;
esac
case $file in "$home"/*) as=${as} ;; *) as= ;; esac
! [ -L "$file" ] || file=$(readlink -f "$file")`;
}
