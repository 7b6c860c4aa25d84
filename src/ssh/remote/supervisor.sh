# Runs one job: at most once, whoever starts it and however often. Arguments: key, seconds, log limit (blocks of 512),
# grace (seconds), fence, the folder of the state, the folder of the script. Lies in the job's own folder.
#
# The truth about a job is an flock on `lock`, held from before `started` is made until after `status` is written.
# So, under a shared lock: status -> ended; `started` without status -> lost; neither -> never ran. The kernel drops it
# on any death or reboot. No pid, boot id or clock takes part.
key=$1 limit=$2 blocks=$3 grace=$4 fence=$5 state=$6 place=$7
umask 077
cd "${0%/*}" || exit 1
exec 8>>lock
[ -e started ] || flock 8                     # the once-only gate: a second supervisor leaves here
[ -e started ] && exit 0

refuse() { echo "$1" >refused.new && mv -f refused.new refused; exit 1; }

stop=
trap 'stop=cancelled' USR1
trap 'stop=killed' TERM HUP
[ -r "$place/script" ] || exit 1
exec 9<"$place/script"                        # opened before it is unlinked: it may hold secrets
read -r _ hash <&9
{ echo $$ >pid && echo "$hash" >hash; } 2>/dev/null || refuse full
printf '%4095s\n' '' 2>/dev/null >status || refuse full # reserves the block: the end can be recorded on a full disk
[ -p pipe ] || mkfifo pipe 2>/dev/null || refuse full
exec 5>>"$state/fence.lock"
flock 5                                       # nobody raises the fence between our look and our start
seen=0
[ ! -s "$state/fence" ] || read -r seen <"$state/fence"
[ "$fence" -ge "$seen" ] || refuse "fenced $seen"
if [ "$fence" -gt "$seen" ]; then
  { echo "$fence" >"$state/fence.new" && sync "$state/fence.new" && mv -f "$state/fence.new" "$state/fence"; } 2>/dev/null || refuse full
fi
true 2>/dev/null >started || refuse full
exec 5>&-
sync started status hash . .. 2>/dev/null     # a power cut must not make us forget that it has been started
if [ "$place" = "$PWD" ]; then rm -f script; else rm -rf "$place"; fi

cgroup=
while read -r line; do
  case $line in
    0::*farweave-$key*) folder=/sys/fs/cgroup${line#0::} ;;
    *:name=systemd:*farweave-$key*) folder=/sys/fs/cgroup/systemd${line#*:name=systemd:} ;;
    *) continue ;;
  esac
  [ -e "$folder/cgroup.procs" ] && cgroup=$folder
done </proc/self/cgroup
# The job's processes, less our own session: all that carry our cookie, in containers too, where it was handed in, and
# those of its cgroup, or where there is none of its session.
processes() {
  for file in $(
    if [ -n "$cgroup" ]; then
      grep -ls "FARWEAVE_JOB=$key" /proc/[0-9]*/environ
      while read -r process; do echo "/proc/$process/stat"; done <"$cgroup/cgroup.procs"
    else grep -ls -e "FARWEAVE_JOB=$key" -e "^[0-9]* (.*) [^ ]* [0-9]* [0-9]* ${job:-none} " /proc/[0-9]*/environ /proc/[0-9]*/stat
    fi
  ); do
    process=${file#/proc/} process=${process%/*}
    { read -r line <"/proc/$process/stat"; } 2>/dev/null || continue
    set -- ${line##*) }                       # letter, parent, group, session
    case $4:$1 in $$:* | *:Z) ;; *) echo "$process" ;; esac
  done
}

job=
finish() {
  trap '' USR1 ALRM TERM HUP
  n=0
  while found=$(processes); [ -n "$found" ]; do # TERM once, KILL after the grace; nothing of the job outlives it
    if [ $n -ge $((grace * 10)) ]; then kill -KILL $found; elif [ $n = 0 ]; then kill -TERM $found; fi 2>/dev/null
    n=$((n + 1))
    sleep 0.1
  done
  { flock -s -w 3 3 || kill $pump; } 2>/dev/null 3<lock 8>&- & # a process that got away may hold the pipe
  wait $pump
  cut=$?
  printf '%s log=%s cut=%s\n' "$1" "$(($(wc -c <log)))" $cut 1<>status
  rm -f pipe
  exec 8>&-                                   # who follows need not wait for the disk
  sync log status 2>/dev/null
  exit 0
}
# The timer waits for our lock: it ends by itself when we do, and signals only while we live, never a pid used again.
trap 'finish timeout' ALRM
( flock -s -w "$limit" 3; [ $? = 1 ] && kill -ALRM $$ ) 3<lock 8>&- 9<&- 2>/dev/null &
# Only the pump has the size limit. At the limit, or on a full disk, the job goes on and the rest of its log is dropped.
{ ( ulimit -f "$blocks"; exec cat >>log ) || { cat >/dev/null; exit 1; }; } <pipe 8>&- 9<&- 2>/dev/null &
pump=$!
[ -n "$HOME" ] || HOME=/root                  # unset in a unit of systemd; the job sees the same in both ways of starting
( umask 022; cd /; exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME="$HOME" \
  USER=root LOGNAME=root LANG=C.UTF-8 LC_ALL=C.UTF-8 FARWEAVE_JOB="$key" setsid /bin/sh /dev/fd/9 ) </dev/null >"$PWD/pipe" 2>&1 8>&- &
job=$!
exec 9<&-
trap 'finish cancelled' USR1
trap 'finish killed' TERM HUP
[ -z "$stop" ] || finish "$stop"
wait $job
finish "exit $?"
