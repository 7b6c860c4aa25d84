import { type Command, sh, words } from '../../ssh/command.ts';
import { program, type Shell } from './shell.ts';

/** Seconds for which a member may be locked: the time to copy its files, not to pack them. */
const LOCKED = 900;

/** After the script, in one stream with it. */
const END = '// end of the script';

/** File names are those of the folder that it runs in. */
const HOLD = `
function there(name) {
  if (typeof require === 'function') return require('fs').existsSync(name);
  try { cat(name); return true; } catch (error) { return false; }
}
function unlock() { return until(60, () => { const answer = ask(local, { fsyncUnlock: 1 }); return answer.ok || answer.code === 20; }); }
if (local === null || !login(local)) fail('MongoDB does not let ' + user + ' in');
if (releasing) { unlock(); quit(0); }
const voters = must(local, { replSetGetConfig: 1 }).config.members.filter((member) => member.votes).map((member) => member.host);
const all = must(local, { replSetGetStatus: 1 }).members;
const own = all.filter((member) => member.self)[0];
const others = all.filter((member) => !member.self && voters.includes(member.name) && [1, 2].includes(Number(member.state)));
if (voters.length > 1 && Number(own.state) === 1) fail('it has become the primary, which serves: take another one');
// Of two members one is always needed: then writes wait for as long as this takes.
if (voters.length > 2 && others.length <= voters.length / 2)
  fail('of ' + voters.length + ' members that vote ' + others.length + ' others are well: too few to acknowledge writes while this one is copied');
must(local, { fsync: 1, lock: true });
let inTime = false;
try {
  let collections = 0;
  for (const { name } of must(local, { listDatabases: 1, nameOnly: true }).databases)
    if (name !== 'local') collections += collectionsOf(name).length;
  const last = must(local, { replSetGetStatus: 1 }).members.filter((member) => member.self)[0].optimeDate;
  say({ locked: { collections, until: last.toISOString() } });
  inTime = until(${LOCKED}, () => there('done'));
} finally { unlock(); }
if (!inTime) fail('it was locked for ${LOCKED} s, which is too long: unlocked, and the copy given up');
`;

/** Names of the collections of a database, without views. */
export const COLLECTIONS = `
function collectionsOf(database) {
  const command = { listCollections: 1, nameOnly: true, filter: { type: 'collection' }, cursor: { batchSize: 100000 } };
  return must(local.getSiblingDB(database), command).cursor.firstBatch.map(({ name }) => name);
}
`;

/**
 * Runs in the member's container, beside the job and not as a part of it, so that it outlives the job. It holds the lock as
 * long as somebody holds its stdin open, which ends when the job does, however that ends. If the shell is killed, another one
 * unlocks; if the container is, the lock is gone.
 */
const GUARD = `set -eu
umask 077
folder=$(mktemp -d /dev/shm/farweave.XXXXXX)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
while IFS= read -r line && [ "$line" != "$1" ]; do printf '%s\\n' "$line"; done > hold.js
exec 4<&0
{ timeout "$2" cat <&4 > /dev/null; : > done; } 2> /dev/null > /dev/null &
shell=mongosh
command -v mongosh > /dev/null || shell=mongo
export HOME=$folder
code=0
"$shell" --quiet --norc --nodb hold.js || code=$?
[ "$code" -lt 100 ] || { sed '1s/false/true/' hold.js > release.js; "$shell" --quiet --norc --nodb release.js || :; }
exit "$code"`;

/**
 * Does something while a member is locked: flushed to its files, and nothing written to them. `work` is a folder for its own
 * use; left there are what the member said of itself, in `locked`, and how long it was so, in `seconds`.
 */
export function whileLocked(shell: Shell, work: string, act: Command): Command {
  const source = program(shell, `${COLLECTIONS}${HOLD}`, 60);
  return sh`mkfifo ${work}/hold
docker exec --interactive --user 0 ${shell.name} sh -c ${GUARD} farweave ${END} ${LOCKED + 60} < ${work}/hold > ${work}/said 2>&1 &
guard=$!
exec 4> ${work}/hold
trap '' PIPE
printf '%s\n' ${words(['const releasing = false;\n', ...source])} ${END} >&4 || :
until grep -q locked ${work}/said; do
  kill -0 "$guard" 2> /dev/null || { cat ${work}/said; exit 1; }
  sleep 0.2
done
began=$(date +%s)
{ ${act}
} 4>&-
exec 4>&-
wait "$guard" || { cat ${work}/said; exit 1; }
echo $(($(date +%s) - began)) > ${work}/seconds
sed -n 's/^farweave {"locked":\(.*\)}$/\1/p' ${work}/said > ${work}/locked`;
}
