import { type Command, sh } from './command.ts';

/**
 * Takes away what the ended jobs of a rollout have left. A job forgotten could run again, so the host's fence is raised first:
 * an attempt of that rollout that comes late is refused from then on. What runs stays, until it is old.
 */
export function retire(rollout: string, fence: number, state = '/var/lib/farweave'): Command {
  return sh`cd ${state} 2>/dev/null || exit 0
umask 077
exec 5>>fence.lock
flock 5
seen=0
[ ! -s fence ] || read -r seen <fence
if [ ${fence} -gt "$seen" ]; then
  { echo ${fence} >fence.new && sync fence.new && mv -f fence.new fence; } || exit 73
fi
exec 5>&-
cd jobs 2>/dev/null || exit 0
for job in *; do
  whose=
  [ ! -s "$job/rollout" ] || read -r whose <"$job/rollout"
  [ "$whose" != ${rollout} ] || flock -n "$job/mutex" flock -n "$job/lock" rm -rf "$job"
done
:`;
}
