import type * as z from 'zod';
import type { HostSpec, Json } from '../../plan/plan.ts';
import { type Command, type Output, type Script, script, sh } from '../../ssh/command.ts';
import { no, type Operation, operation, type Verdict, yes } from '../operation.ts';

/** What Farweave remembers of a host on the host. */
export const STATE = '/var/lib/farweave';

/** How long a script waits for somebody else's package work, in seconds. Then it ends with 75, and the workflow has patience. */
const LOCK_PATIENCE = 120;

/** With less than this left, in KiB, a failure of the package manager is put down to it: the script ends with 28. */
const FULL = 200 * 1024;

/**
 * Shell functions around apt and dpkg. Nothing may ask, restart services behind a rollout's back, or show a pager:
 * - `busy`: prints the process that works on packages; exits with 0 if there is one. apt's own exit code says nothing,
 *   and its lock time-out covers dpkg's lock but not the index's.
 * - `apt …`: apt-get, once nobody else works on packages. Ends the script with 75 if that stays so, with 28 on a full disk.
 * - `purge`: takes away the packages in `$added`. One that something else has come to need stays, and `left: …` says so.
 */
const FUNCTIONS: Command = {
  text: String.raw`export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 APT_LISTCHANGES_FRONTEND=none LC_ALL=C.UTF-8
busy() {
  perl -MFcntl -e 'for (@ARGV) {
    open my $file, "+<", $_ or next;
    my $lock = pack "s s x4 q q i x4", F_WRLCK, 0, 0, 0, 0;
    fcntl $file, F_GETLK, $lock or next;
    my ($type, $pid) = (unpack "s s x4 q q i", $lock)[0, 4];
    next if $type == F_UNLCK;
    open my $name, "<", "/proc/$pid/comm";
    print "process $pid ", $name ? <$name> : "\n";
    exit 0;
  } exit 1' /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock
}
patiently() {
  waited=0
  while busy > /run/farweave-busy; do
    if [ "$waited" -ge "$patience" ]; then echo "packages are still locked by $(cat /run/farweave-busy)" >&2; exit 75; fi
    if [ $((waited % 30)) = 0 ]; then echo "waiting for $(cat /run/farweave-busy) to finish its work on packages"; fi
    sleep 2
    waited=$((waited + 2))
  done
}
excused() {
  if busy > /run/farweave-busy; then echo "packages are locked by $(cat /run/farweave-busy)" >&2; exit 75; fi
  free=$(df -Pk / /var/cache/apt /var/lib/dpkg | awk 'NR > 1 && (least == "" || $4 < least) { least = $4 } END { print least }')
  if [ "$free" -lt "$full" ]; then echo "only $((free / 1024)) MiB are free" >&2; exit 28; fi
}
apt() {
  patiently
  if [ -n "$(dpkg --audit)" ]; then dpkg --force-confdef --force-confold --configure -a || excused; fi
  apt-get -q -y -o DPkg::Lock::Timeout="$patience" -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@" < /dev/null || { code=$?; excused; return $code; }
}
simulated() { apt-get -s -o Debug::NoLocking=true "$@"; }
needing() {
  simulated purge "$@" | awk '$1 == "Purg" || $1 == "Remv" { print $2 }' | grep -vxF "$(printf '%s\n' $added)" | head -n 1
}
purge() {
  going=
  if [ -z "$(needing $added)" ]; then going=$added; else
    for package in $added; do
      who=$(needing "$package")
      if [ -z "$who" ]; then going="$going $package"; else echo "left: $package, which $who needs"; fi
    done
  fi
  [ -n "$going" ] || return 0
  services=$(dpkg -L $going 2>/dev/null | sed -n 's|.*/systemd/system/\([^/]*\.service\)$|\1|p')
  apt purge $going
  for service in $services; do
    if systemctl is-active -q "$service" && [ -z "$(systemctl cat "$service" 2>/dev/null)" ]; then systemctl stop "$service" || :; fi
  done
}`,
};

/** A script that works on packages. */
export function withPackages(...commands: readonly (Command | string)[]): Script {
  return script(sh`patience=${LOCK_PATIENCE} full=${FULL}`, FUNCTIONS, ...commands);
}

/** Exit code 0, and the process in stdout, while somebody works on packages. */
export const packagesBusy: Command = sh`( ${FUNCTIONS}
busy )`;

/** One line for each package that is installed. */
export function installed(packages: readonly string[]): Command {
  const format = '${db:Status-Status} ${Package}\n';
  return sh`dpkg-query -W -f=${format} ${packages} 2>/dev/null | sed -n 's/^installed //p'`;
}

/** What an answer to {@link installed} leaves to be wished for. */
export function judgeInstalled({ stdout }: Pick<Output, 'stdout'>, wanted: readonly string[]): Verdict {
  const there = new Set(stdout.split('\n').map((line) => line.trim()));
  const missing = wanted.filter((name) => !there.has(name));
  return missing.length === 0 ? yes() : no(`without ${missing.join(', ')}`, `${wanted.join(', ')} installed`);
}

/**
 * Installs packages. What was not there before, dependencies included, is noted on the host under `key`, in a file that
 * an undo restores and in one that it does not: the difference is what the undo may take away.
 * `$packages` holds the names when `first` runs, which may add to them.
 */
export function installing(key: string, packages: readonly string[], first: Command | string = ':'): Script {
  const { list, all } = lists(key);
  const install = sh`simulated install --no-install-recommends $packages`;
  return {
    ...withPackages(
      sh`packages=${packages.join(' ')}`,
      first,
      // Old package lists name files that the mirrors no longer have.
      sh`plan=$(${install}) || { apt update; plan=$(${install}); }`,
      String.raw`new=$(printf '%s\n' "$plan" | sed -n 's/^Inst \([^ ]*\) (.*/\1/p')`,
      // One that was noted before, and that somebody has purged since, is noted once more: `tree 2`.
      sh`new=$(printf '%s\n' $new | awk -v noted=${list} 'BEGIN { while ((getline line < noted) > 0) { split(line, word, " "); times[word[1]]++ } }
  $1 { print times[$1] ? $1 " " times[$1] + 1 : $1 }')`,
      sh`mkdir -p ${STATE}/packages`,
      sh`{ cat ${list} 2>/dev/null || :; printf '%s\n' "$new"; } | sed '/^$/d' | sort -u > ${all}.farweave-new`,
      sh`cp ${all}.farweave-new ${list}.farweave-new`,
      sh`mv -f ${all}.farweave-new ${all}`,
      sh`mv -f ${list}.farweave-new ${list}`,
      'apt install --no-install-recommends $packages || { apt update && apt install --no-install-recommends $packages; }',
    ),
    saves: [list],
  };
}

/** Package → the account that it makes when it comes, and leaves when it goes. */
type Accounts = Readonly<Record<string, string>>;

/** After an undo has restored the list: purges what the step added, unless something else has come to need it. */
export function purgingAdded(key: string, accounts: Accounts = {}): Script {
  const { list, all } = lists(key);
  const format = '${db:Status-Status} ${Package}\n';
  return withPackages(
    sh`added=
if [ -e ${all} ]; then
  if [ -e ${list} ]; then added=$(comm -23 ${all} ${list}); else added=$(cat ${all}); fi
  added=$(printf '%s\n' "$added" | sed 's/ .*//' | sort -u)
fi
ours=" $(echo $added) "`,
    // What somebody has purged meanwhile apt may not even know by name.
    sh`[ -z "$added" ] || added=$(dpkg-query -W -f=${format} $added 2>/dev/null | sed -n '/^not-installed /d; s/^[^ ]* //p' | sort -u)`,
    '[ -z "$added" ] || purge',
    ...Object.entries(accounts).map(
      ([made, account]) =>
        sh`case $ours in *${` ${made} `}*) dpkg-query -W ${made} > /dev/null 2>&1 || userdel ${account} 2>/dev/null || groupdel ${account} 2>/dev/null || : ;; esac`,
    ),
    sh`if [ -e ${list} ]; then cp ${list} ${all}.farweave-new; mv -f ${all}.farweave-new ${all}; else rm -f ${all}; fi`,
  );
}

/** A state of a host: these packages are installed. Undone by purging what it added. */
export function packagesInstalled<Args extends Json>(
  name: `${string}.${string}`,
  args: z.ZodType<Args>,
  packagesOf: (host: HostSpec, args: Args) => readonly string[],
  accounts: Accounts = {},
): Operation<Args, never> {
  return operation(name, args, {
    timeout: 900_000,
    publishes: [],
    undo: 'restore',
    restored: () => purgingAdded(name, accounts),
    probe: (host, values) => installed(packagesOf(host, values)),
    judge: (output, host, values) => judgeInstalled(output, packagesOf(host, values)),
    apply: (host, values) => installing(name, packagesOf(host, values)),
  });
}

function lists(key: string): { readonly list: string; readonly all: string } {
  return { list: `${STATE}/packages/${key}`, all: `${STATE}/packages/${key}.all` };
}
