import { type Command, sh } from './command.ts';

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

/** What is to be kept of a step before it changes anything. */
export interface Leaving {
  /** Id of its stage. */
  readonly stage: string;
  /** Files of which the before-image is kept. */
  readonly saves?: readonly string[];
  /** With it the receipt can become an origin; then `says` holds, a line each, what it knows how to take back. */
  readonly undoing?: Undoing;
}

/** Where a rollout keeps the receipts of its steps, by stage. */
export const folderOf = (rollout: string): string => pathOf(rollout);

/**
 * Leaves the receipts of steps that are about to begin, all of them before the first changes anything: one command, and the
 * disk is waited for twice however many they are. Each comes into being by one rename, whole; one that is there keeps its
 * images. If they cannot be left the script ends: with 28 (ENOSPC) on a full disk, 73 otherwise.
 */
export function leaving(rollout: string, all: readonly Leaving[]): Command {
  const folder = folderOf(rollout);
  for (const { saves = [] } of all)
    for (const path of saves) if (!path.startsWith('/')) throw new TypeError(`not an absolute path: ${path}`);
  for (const { stage } of all) pathOf(`${rollout}/${stage}`);
  return sh`( ${{ text: SAVE }}
umask 077
[ ! -e ${folder}/.new ] || rm -rf ${folder}/.new
set -- ${folder}/.new
for stage in ${all.map(({ stage }) => stage)}; do [ -d ${folder}/"$stage" ] || set -- "$@" ${folder}/.new/"$stage"; done
mkdir -p "$@"
${{ text: all.map((one) => leavingOne(folder, one).text).join('\n') }}
shift
[ $# = 0 ] || { find "$@" ! -type l -exec sync {} + && mv -t ${folder} "$@" && sync ${folder}; } )
[ $? = 0 ] || exit $(df -Pk / ${FOLDER} 2>/dev/null | tail -n 1 | { read -r _ _ _ free _; [ "$free" -lt 64 ] && echo 28 || echo 73; })`;
}

function leavingOne(folder: string, { stage, saves = [], undoing }: Leaving): Command {
  return sh`if cd ${folder}/.new/${stage} 2>/dev/null; then
printf %s ${restoring(saves)} > restore
${{ text: saves.map((path, n) => sh`save ${n} ${path}`.text).join('\n') }}
${undoing ? noting(saves, undoing) : { text: ':' }}
fi`;
}

/**
 * Puts every saved file back, or takes away what was not there; folders made for it go when they are empty.
 * Does nothing where there is no receipt. May be run twice.
 */
export function restore(receipt: string): Command {
  const from = pathOf(receipt);
  return sh`if [ -d ${from} ]; then cd ${from} && sh ./restore; fi`;
}

/** Forgets one receipt. */
export function drop(receipt: string): Command {
  return sh`rm -rf ${pathOf(receipt)}`;
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

function pathOf(receipt: string): string {
  if (!/^[\w:-][\w.:-]*(\/[\w:-][\w.:-]*)?$/.test(receipt)) throw new TypeError(`not a receipt's name: ${receipt}`);
  return `${FOLDER}/${receipt}`;
}
