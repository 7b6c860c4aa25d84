import { type Command, type Output, type Script, sh } from './command.ts';
import { folderOf, leaving, type Undoing } from './receipt.ts';

/** Of each stream of an answer that a job can be made to hear again, in characters. */
const BOUND = 4_096;

/** One step of a job that carries out several. */
export interface Part {
  readonly stage: string;
  readonly generation: number;
  /** Asked right before. Where the answer is another than what was heard, the job ends: its script was made for that. */
  readonly guard?: { readonly probe: Command; readonly heard: Output };
  /** Missing: nothing is to be done as long as the guard holds. */
  readonly change?: { readonly script: Script; readonly undoing?: Undoing };
}

/** What a rollout has begun on a host. */
export interface Trace {
  /** There is something to take back. */
  readonly hasReceipt: boolean;
  /** The last that happened to it; missing where it has not begun. */
  readonly last?: Entry;
}

interface Entry {
  readonly generation: number;
  /** Key of the remote job. */
  readonly job: string;
  /** The exit code of the change, or that none was wanted, or that its guard heard something else. Missing: it runs, or was cut off. */
  readonly end?: number | 'kept' | 'moved';
}

/** Whether a job can tell that this answer is given again. */
export const isRepeatable = ({ stdout, stderr }: Output): boolean =>
  stdout.length <= BOUND && stderr.length <= BOUND && !stdout.includes('\0') && !stderr.includes('\0');

/**
 * Several changes as the script of one job, in their order, until one fails: then its exit code. That costs a host little more
 * than the changes themselves. All receipts come first. Those of changes that it does not come to are dropped again; if the
 * host goes down before that, they look as if those had been cut off at their very beginning, which every undo can take.
 */
export function inOrder(rollout: string, job: string, parts: readonly Part[]): Command {
  const changes = parts.flatMap(({ stage, change }) =>
    change ? [{ stage, saves: change.script.saves ?? [], ...(change.undoing && { undoing: change.undoing }) }] : [],
  );
  const all = parts
    .map((part) => partOf(job, part))
    .reduce(
      (before, part) => sh`${before}
${part}`,
    );
  return sh`folder=${folderOf(rollout)} fresh= begun=' '
for stage in ${changes.map(({ stage }) => stage)}; do [ -d "$folder/$stage" ] || fresh="$fresh $stage"; done
${leaving(rollout, changes)}
cd ${folderOf(rollout)} && true 2>/dev/null >>.record || exit 73
exec 4>>.record
said=$PWD/.said
cd /
${{ text: FUNCTIONS }}
${all}`;
}

function partOf(job: string, { stage, generation, guard, change }: Part): Command {
  const entry = `${stage} ${generation} ${job}`;
  const guarded = guard
    ? sh`heard=$( { ${guard.probe}
} </dev/null 2>"$said" 4>&- )
kept $? ${guard.heard.exitCode} ${asSubstituted(guard.heard.stdout)} ${asSubstituted(guard.heard.stderr)} || { echo ${entry} moved >&4; stop 0; }`
    : { text: ':' };
  if (!change)
    return sh`${guarded}
echo ${entry} kept >&4`;
  return sh`${guarded}
begun="$begun"${`${stage} `}
echo ${entry} >&4
( ${change.script}
) 4>&-
code=$?
echo ${entry} $code >&4
[ $code = 0 ] || stop $code`;
}

/** What a command substitution leaves of a text. */
const asSubstituted = (text: string) => text.replace(/\n+$/, '');

/** `kept`: whether what is heard is what was heard before. Costs no process, unless something is said on stderr. */
const FUNCTIONS = `stop() {
cd "$folder" || exit $1
for stage in $fresh; do case $begun in *" $stage "*) ;; *) rm -rf "$stage" ;; esac; done
exit $1
}
kept() {
error=
[ ! -s "$said" ] || error=$(cat "$said")
[ "$1" = "$2" ] && [ "$heard" = "$3" ] && [ "$error" = "$4" ]
}`;

/** Asks for all that a rollout has begun on a host. */
export const tracing = (rollout: string): Command => sh`cd ${folderOf(rollout)} 2>/dev/null || exit 0
for receipt in *; do [ ! -d "$receipt" ] || echo "receipt $receipt"; done
[ ! -s .record ] || while read -r line; do echo "entry $line"; done <.record`;

/** The answer, by stage. */
export function traced({ stdout }: Pick<Output, 'stdout'>): ReadonlyMap<string, Trace> {
  const traces = new Map<string, Trace>();
  for (const line of stdout.split('\n')) {
    const [kind, stage = '', generation, job, end] = line.split(' ');
    const before = traces.get(stage) ?? { hasReceipt: false };
    if (kind === 'receipt') traces.set(stage, { ...before, hasReceipt: true });
    // A line that a power cut has torn says nothing.
    if (kind === 'entry' && job?.length === 32)
      traces.set(stage, { ...before, last: entryOf(Number(generation), job, end) });
  }
  return traces;
}

function entryOf(generation: number, job: string, end: string | undefined): Entry {
  if (end === undefined || end === '') return { generation, job };
  return { generation, job, end: end === 'kept' || end === 'moved' ? end : Number(end) };
}
