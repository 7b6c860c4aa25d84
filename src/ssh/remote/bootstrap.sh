# Starts a job, or attaches to the one that is there, and follows it to its end; or only that; or cancels it.
# Set before: op key hash from limit blocks grace days fence rollout length state volatile. The script comes on stdin.
# The job's log goes to stdout and nothing else does; our own words go to stderr, where no job can write.
umask 077
cd /
say() { printf 'FW1 %s\n' "$*" >&2; }
fail() {
  [ -z "$place" ] || [ -e "$folder/started" ] || rm -rf "$place/script" "$place/script.new"
  say "error $*"
  exit 1
}
# Why a file could not be written: there is no room, or anything else.
cannot() {
  at=$1
  until [ -d "$at" ]; do at=$(dirname "$at"); done
  for unit in -k -i; do
    df -P "$unit" "$at" 2>/dev/null | {
      read -r _
      read -r _ total _ free _
      [ "$total" != 0 ] && [ "$total" != - ] && [ "$free" -le $((length / 1024 + 64)) ]
    } && fail full "$1"
  done
  fail cannot "write to $1"
}

place=
folder=$state/jobs/$key
[ "$op" != follow ] || [ -e "$folder/started" ] || fail gone
command -v flock >/dev/null && command -v setsid >/dev/null || fail cannot 'work without flock and setsid (util-linux)'
mkdir -p "$folder" 2>/dev/null && cd "$folder" && { true >>mutex && true >>log && true >>lock; } 2>/dev/null || cannot "$folder"

# One job at a time on a host: what an older rollout, a lost server or a second one has left running is waited for. The fence
# goes up first, so that none of them starts another behind our back; and before the mutex, so that none waits unheard.
alone() {
  exec 5>>"$state/fence.lock" || cannot "$state"
  flock 5
  seen=0
  [ ! -s "$state/fence" ] || read -r seen <"$state/fence"
  [ "$fence" -ge "$seen" ] || fail "fenced $seen"
  if [ "$fence" -gt "$seen" ]; then
    { echo "$fence" >"$state/fence.new" && sync "$state/fence.new" && mv -f "$state/fence.new" "$state/fence"; } 2>/dev/null || cannot "$state"
  fi
  exec 5>&-
  for other in "$state"/jobs/*; do
    [ "$other" != "$folder" ] && [ -e "$other/started" ] || continue
    end=
    read -r end 2>/dev/null <"$other/status"
    until [ -n "$end" ] || [ ! -e "$other/lock" ] || flock -s -w 2 "$other/lock" true; do say waiting || exit 1; done
  done
}
[ "$op" = cancel ] || [ -e started ] || alone
exec 6>>mutex
flock 6                                       # keeps two starters tidy; that a job runs once is the supervisor's care

start() {
  # Old jobs that have ended, and scripts that a crash left behind, unless somebody is starting them just now. Not those of
  # this rollout: they only look old, to a clock that has jumped.
  find "$state/jobs" -mindepth 1 -maxdepth 1 -mtime "+$days" ! -exec grep -qsxF -e "$rollout" {}/rollout \; \
    -exec flock -n {}/mutex flock -n {}/lock rm -rf {} \;
  for left in "$volatile"/jobs/*; do
    other=$state/jobs/${left##*/}
    [ ! -d "$left" ] || [ "$other" = "$folder" ] || [ ! -d "$other" ] || flock -n "$other/mutex" flock -n "$other/lock" rm -rf "$left"
  done
  place=$folder                               # a script may hold secrets: in memory, where the host allows it
  case $(stat -f -c %T "${volatile%/*}" 2>/dev/null) in tmpfs | ramfs) place=$volatile/jobs/$key ;; esac
  [ ! -e refused ] || rm -f refused
  mkdir -p "$place" 2>/dev/null || cannot "$place"
  head -c "$length" 2>/dev/null >"$place/script.new" && [ "$(wc -c <"$place/script.new")" -eq "$length" ] || cannot "$place"
  # By rename: a supervisor that an earlier, killed starter left may be reading the old ones.
  printf '%s\n' "$supervisor" 2>/dev/null >run.new || cannot "$folder"
  [ -z "$rollout" ] || echo "$rollout" 2>/dev/null >rollout || cannot "$folder"
  mv -f "$place/script.new" "$place/script" && mv -f run.new run || cannot "$folder"
  set -- /bin/sh "$folder/run" "$key" "$limit" "$blocks" "$grace" "$fence" "$state" "$place"
  # A unit has a cgroup of its own, and outlives sshd, the session and KillUserProcesses.
  if [ -d /run/systemd/system ] && systemd-run -q --collect --unit="farweave-$key" --description="Farweave job $key" \
    -p RuntimeMaxSec=$((limit + grace + 60)) -p KillMode=mixed -p TimeoutStopSec=$((grace + 5)) "$@" 6>&- </dev/null >/dev/null
  then :
  else setsid "$@" 6>&- </dev/null >/dev/null 2>&1 &
  fi
  n=1                                         # hundredths of a second: a machine with much to do is asked less often
  until [ -e started ] || [ -e refused ]; do
    [ $n -lt 3000 ] || fail cannot "start $folder/run within 30 s"
    if [ $n -lt 4 ]; then sleep 0.01; n=$((n + 1)); elif [ $n -lt 20 ]; then sleep 0.05; n=$((n + 5)); else sleep 0.2; n=$((n + 20)); fi
  done
  [ -e started ] && return
  read -r why <refused
  case $why in fenced*) fail "$why" ;; *) cannot "$folder" ;; esac
}

# Two changes at once may undo each other: who is refused is told once the other has ended.
conflict() {
  exec 6>&- 8<lock
  until flock -s -w 2 8; do say alive || exit 1; done
  fail conflict
}

how=attached
if [ -e started ]; then
  known=
  [ ! -s hash ] || read -r known <hash
  [ "$op" != start ] || [ -z "$known" ] || [ "$known" = "$hash" ] || conflict
elif [ "$op" = cancel ]; then                 # before it began: a tombstone, so that it never will
  { echo 'cancelled log=0 cut=0' >status && true >started; } 2>/dev/null || cannot "$folder"
else
  how=started
  start
fi
exec 6>&- 8<lock 7<log
say "$how"
if [ "$op" = cancel ] && ! flock -n -s 8; then kill -USR1 "$(cat pid)"; fi
[ "$from" = 0 ] || tail -c "+$((from + 1))" <&7 # from here on the descriptor's own offset is the place: exact, no counting
n=0 pause=0.5
until flock -s -w $pause 8; do                # sleeps, yet wakes at once when the job ends
  cat <&7 || exit 1
  n=$((n + 1))
  [ $n -lt 4 ] || { say alive && pause=2; } || exit 1 # who follows for nobody dies of it
done
cat <&7
read -r end <status
if [ -z "$end" ]; then                        # lost: end what a killed supervisor may have left
  kill -KILL $(grep -ls "FARWEAVE_JOB=$key" /proc/[0-9]*/environ | cut -d/ -f3) 2>/dev/null
  rm -rf "$volatile/jobs/$key" script pipe
  end="lost log=$(($(wc -c <log))) cut=0"
elif [ $how = attached ]; then                # after a power cut the log may be shorter than it was
  size=${end##*log=}
  [ "$(wc -c <log)" -ge "${size%% *}" ] || end="${end%%log=*}log=$(($(wc -c <log))) cut=1"
fi
say "end $end"
exit 0
