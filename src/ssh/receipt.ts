import { type Command, type Script, sh } from './command.ts';

/**
 * A receipt says on the host itself: this rollout began this step here. It outlives the worker that left it,
 * and it alone decides whether an undo has anything to do. Its name is `<rollout's run id>/<stage id>`.
 */
const FOLDER = '/var/lib/farweave/receipts';

/** What it takes to take a change back after its receipt's rollout has been settled. */
export interface Undoing {
  /** The arguments of the operation, as JSON. */
  readonly args: string;
  /** Tells undos apart: equal for those that do the same on this host. */
  readonly undo: string;
}

/** Exit code 0: this rollout began this step here. */
export function find(receipt: string): Command {
  return sh`test -d ${folderOf(receipt)}`;
}

/**
 * The script, with a receipt left first: before-images, the receipt by one rename, then the change. There is no moment
 * at which a change has no receipt, and a later attempt keeps the first one's images instead of a half-changed file's.
 * If the receipt cannot be left, nothing is changed, and the exit code is 28 (ENOSPC) on a full disk, 73 otherwise.
 * With `undoing` it can become an origin later; then `says` holds, a line each, what it knows how to take back.
 */
export function leave(receipt: string, change: Script, undoing?: Undoing): Command {
  const to = folderOf(receipt);
  const next = `${to}.new`;
  const saves = change.saves ?? [];
  for (const path of saves) if (!path.startsWith('/')) throw new TypeError(`not an absolute path: ${path}`);
  return sh`if [ ! -d ${to} ]; then
( ${{ text: SAVE }}
umask 077
rm -rf ${next}
mkdir -p ${next}
cd ${next}
printf %s ${restoring(saves)} > restore
${{ text: saves.map((path, n) => sh`save ${n} ${path}`.text).join('\n') }}
${undoing ? noting(saves, undoing) : { text: ':' }}
find . -type f -exec sync {} +
sync .
mv -T ${next} ${to}
sync .. )
[ -d ${to} ] || exit $(df -Pk / ${FOLDER} 2>/dev/null | tail -n 1 | { read -r _ _ _ free _; [ "$free" -lt 64 ] && echo 28 || echo 73; })
fi
${change}`;
}

/**
 * Puts every saved file back, or takes away what was not there; folders made for it go when they are empty.
 * Does nothing where there is no receipt. May be run twice.
 */
export function restore(receipt: string): Command {
  const from = folderOf(receipt);
  return sh`if [ -d ${from} ]; then cd ${from} && sh ./restore; fi`;
}

/** Forgets one receipt. */
export function drop(receipt: string): Command {
  const folder = folderOf(receipt);
  return sh`rm -rf ${folder} ${`${folder}.new`}`;
}

function noting(saves: readonly string[], { args, undo }: Undoing): Command {
  return sh`printf %s ${args} > args
printf '%s\n' ${[...saves.map((path) => `path ${path}`), `undo ${undo}`]} > says`;
}

/** The image of a missing file is the number of folders that are missing above it. */
const SAVE = `set -eu
save() {
  if [ -e "$2" ] || [ -L "$2" ]; then cp -a "$2" "$1"; return; fi
  folder=$2 missing=0
  while folder=\${folder%/*}; [ -n "$folder" ] && [ ! -e "$folder" ]; do missing=$((missing + 1)); done
  echo $missing > "$1.missing"
}`;

/** Stands in the receipt, so that an undo needs nothing but the receipt. */
function restoring(saves: readonly string[]): string {
  const putBack = saves.map((path, n) => sh`put ${n} ${path}`.text).toReversed();
  return [PUT, ...putBack, ''].join('\n');
}

const PUT = `set -eu
put() {
  rm -rf "$2.farweave-new" "$2.farweave-old"
  if [ ! -e "$1.missing" ]; then
    mkdir -p "\${2%/*}/"
    cp -a "$1" "$2.farweave-old"
    [ ! -d "$2" ] || [ -L "$2" ] || rm -rf "$2"
    mv -fT "$2.farweave-old" "$2"
    return
  fi
  rm -rf "$2"
  read -r missing < "$1.missing"
  folder=$2
  while [ "$missing" -gt 0 ]; do
    folder=\${folder%/*} missing=$((missing - 1))
    rmdir "$folder" 2>/dev/null || return 0
  done
}`;

function folderOf(receipt: string): string {
  if (!/^[\w:-][\w.:-]*(\/[\w:-][\w.:-]*)?$/.test(receipt)) throw new TypeError(`not a receipt's name: ${receipt}`);
  return `${FOLDER}/${receipt}`;
}
