import { gunzipSync } from 'node:zlib';
import { type Command, type Output, type Script, script, sh } from './command.ts';

/**
 * An origin says on the host itself how it was before the first rollout changed it: it is the receipt that an operation has
 * left, kept once its rollout is settled. A later receipt is kept beside it only where it knows of something more, such as
 * another file or another image. So an origin is as small as what was changed, however often that was.
 * The folder is made with the owner's marker: a host without it was rolled out by a release that did not record this.
 */
export const ORIGINS = '/var/lib/farweave/origins';
const STATE = '/var/lib/farweave';

/** One receipt in an origin. */
export interface Layer {
  readonly operation: string;
  /** Digits: rises in the order in which layers were recorded on the host. */
  readonly number: string;
  /** The arguments of the operation then, as JSON. */
  readonly args: string;
}

/** Makes origins of what a settled rollout has left, and drops its other receipts. May be run twice. */
export function keep(rollout: string): Command {
  return sh`cd ${STATE} 2>/dev/null || exit 0
${KEEP}
keep ${`receipts/${rollout}`}`;
}

/** The same for all rollouts but this one: they are over, even if nobody came to settle them. */
export function keepStale(rollout: string): Command {
  return sh`cd ${STATE} 2>/dev/null || exit 0
${KEEP}
for old in $(ls -tr receipts 2>/dev/null); do [ "$old" = ${rollout} ] || keep "receipts/$old"; done`;
}

/**
 * A receipt goes by one rename, so there is no moment at which nothing knows the way back. Nearly all of it is done by the
 * shell itself: hundreds of hosts settle at the same moment.
 */
const KEEP: Command = {
  text: `keep() {
  [ -d "$1" ] || return 0
  last=0
  for layer in origins/*/[0-9]*; do
    number=\${layer##*/}
    while [ "$number" != "\${number#0}" ]; do number=\${number#0}; done
    case $number in '' | *[!0-9]*) ;; *) [ "$number" -le $last ] || last=$number ;; esac
  done
  for receipt in "$1"/*; do
    [ -d origins ] || break
    case $receipt in *.new) continue ;; esac
    [ -s "$receipt/says" ] || continue
    operation=\${receipt##*/} operation=\${operation#*-}
    if [ -d "origins/$operation" ]; then
      cat "origins/$operation"/*/says 2>/dev/null | grep -qvxFf - "$receipt/says" || continue
    else mkdir -p "origins/$operation" || return 1
    fi
    last=$((last + 1)) number=00000$last
    mv -T "$receipt" "origins/$operation/\${number#"\${number%??????}"}" || return 1
  done
  rm -rf "$1"
}`,
};

/** Says `added` where something of an operation can be taken back. */
export const askingOne = (operation: string): Command =>
  sh`for layer in ${`${ORIGINS}/${operation}`}/[0-9]*; do if [ -d "$layer" ]; then echo added; break; fi; done`;

/** The same of all other operations, and of what a rollout has left that nobody came to settle. */
export const askingOthers = (but: readonly string[], rollout: string): Command =>
  sh`cd ${STATE} 2>/dev/null || exit 0
for left in origins/*/[0-9]* receipts/*/*; do
  case $left in
    *.new | ${`receipts/${rollout}/`}*) continue ;;
    origins/*) name=$(basename "$(dirname "$left")"); case ${` ${but.join(' ')} `} in *" $name "*) continue ;; esac; [ -d "$left" ] || continue ;;
    *) [ -d origins ] && [ -s "$left/says" ] || continue ;;
  esac
  echo added
  break
done`;

/** Asks for the layers of one operation, or of all but some. */
export const asking = (which: { readonly only: string } | { readonly but: readonly string[] }): Command =>
  sh`cd ${ORIGINS} 2>/dev/null || exit 0
for layer in ${'only' in which ? sh`${which.only}` : { text: '*' }}/[0-9]*; do
  case ${` ${'but' in which ? which.but.join(' ') : ''} `} in *" $(dirname "$layer") "*) continue ;; esac
  if [ -d "$layer" ]; then echo "$layer $(gzip -c "$layer/args" | base64 -w 0)"; fi
done`;

/** The answer to {@link asking}, the newest first. */
export function parse({ stdout }: Pick<Output, 'stdout'>): readonly Layer[] {
  const lines = stdout.split('\n').filter((line) => line !== '');
  const layers = lines.map((line): Layer => {
    const [place = '', args = ''] = line.split(' ');
    const [operation = '', number = ''] = place.split('/');
    return { operation, number, args: gunzipSync(Buffer.from(args, 'base64')).toString() };
  });
  return layers.toSorted((one, other) => Number(other.number) - Number(one.number));
}

/**
 * Takes an operation back to its origin: puts every file back as the oldest layer knows it, does what follows, and drops the
 * origin. Does no harm where there is none any more; what was begun can be begun again.
 */
export function withdrawing(operation: string, layers: readonly Layer[], following: readonly Command[]): Script {
  const origin = `${ORIGINS}/${operation}`;
  const gone = `${ORIGINS}/.gone`;
  return script(
    ...layers.map(
      ({ number }) => sh`if [ -d ${`${origin}/${number}`} ]; then cd ${`${origin}/${number}`}; sh ./restore; fi`,
    ),
    // Each in a shell of its own, since it may end with `exit 0` where there is nothing to do.
    ...following.map(
      (command) => sh`cd /
( ${command}
)`,
    ),
    sh`cd /
rm -rf ${gone}
if [ -d ${origin} ]; then mv -T ${origin} ${gone}; rm -rf ${gone}; fi`,
  );
}
