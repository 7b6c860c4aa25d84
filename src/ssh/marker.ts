import * as z from 'zod';
import { type Command, type Output, sh } from './command.ts';
import { printable } from './errors.ts';
import { ORIGINS } from './origins.ts';

/**
 * The marker says on the host itself whose it is, so that two servers that know nothing of each other do not roll out
 * onto the same hosts. It is made by a link of a synced file: whole, and by one of two that come at the same moment.
 */
const MARKER = '/var/lib/farweave/owner';
const FOLDER = '/var/lib/farweave';
/** What the owner's cluster was when its last rollout settled, for when its server is lost. Root's alone, secrets sealed. */
const COPY = '/var/lib/farweave/cluster.json';

/** By convention, what a change ends with that was kept from a host of somebody else (EX_NOPERM). */
export const OWNED = 77;

/** Who has a host. */
export type Marker = z.infer<typeof Marker>;
const Marker = z.object({
  /** The cluster's owner id: made once in its life, and the only part that is compared. */
  id: z.string().min(1),
  cluster: z.string(),
  /** `user@host` of who began the rollout that claimed the host. */
  by: z.string(),
  /** When it was begun, ISO 8601. */
  since: z.string(),
  /** Run id of that rollout: if it takes everything back, it gives the host back as well. */
  rollout: z.string(),
});

/** Asks whose a host is. */
export const asking = (): Command => sh`cat ${MARKER} 2>/dev/null`;

/** The answer; undefined for a host that is nobody's. What cannot be read is somebody's too. */
export function parse({ exitCode, stdout }: Output): Marker | undefined {
  return exitCode === 0 ? read(stdout) : undefined;
}

/** A marker's text. */
export function read(text: string): Marker {
  try {
    return Marker.parse(JSON.parse(text));
  } catch {
    return { id: 'unreadable', cluster: '?', by: `an unreadable ${MARKER}`, since: '', rollout: '' };
  }
}

/** As the end of a sentence: `belongs to cluster forum of ada@laptop since 2026-11-02 (id 3b1c…)`. */
export function belongs({ id, cluster, by, since }: Omit<Marker, 'rollout'>): string {
  const day = since === '' ? '' : ` since ${since.slice(0, 10)}`;
  return printable(`belongs to cluster ${cluster} of ${by}${day} (id ${id})`);
}

/** What to do about a host that somebody else has. */
export const OWNED_HINT = `Roll out from there, or move the cluster here on purpose (farweave cluster adopt), or take the host out of the cluster file. If nobody has that cluster any more, remove ${MARKER} on the host.`;

/**
 * The change, if the host is this owner's or nobody's, which makes it this owner's. Otherwise nothing is changed: exit code
 * {@link OWNED}, and the other's marker as the last line. Exit code 28 on a full disk, 73 if the marker cannot be made.
 * With the marker begins what is recorded of how the host was: there is nothing on it yet that is ours.
 */
export function claiming(owner: Marker, change: Command): Command {
  const { id, cluster, by, since, rollout } = owner;
  const text = JSON.stringify({ id, cluster, by, since, rollout } satisfies Marker);
  const folder = MARKER.slice(0, MARKER.lastIndexOf('/'));
  return sh`if [ ! -e ${MARKER} ]; then
( umask 077
mkdir -p ${ORIGINS}
printf %s ${text} > ${MARKER}.$$ && sync ${MARKER}.$$ && ln ${MARKER}.$$ ${MARKER}
rm -f ${MARKER}.$$
sync ${folder} ) 2>/dev/null
[ -e ${MARKER} ] || exit $(df -Pk / ${folder} 2>/dev/null | tail -n 1 | { read -r _ _ _ free _; [ "$free" -lt 64 ] && echo 28 || echo 73; })
fi
case $(cat ${MARKER}) in ${beginningOf(id)}*) ;; *) cat ${MARKER}; echo; exit ${OWNED} ;; esac
${change}`;
}

/** The change, if the host is this owner's; of a host that is nobody's by now nothing is left to be taken back. */
export function holding({ id }: Pick<Marker, 'id'>, change: Command): Command {
  return sh`[ -e ${MARKER} ] || exit 0
case $(cat ${MARKER}) in ${beginningOf(id)}*) ;; *) cat ${MARKER}; echo; exit ${OWNED} ;; esac
${change}`;
}

/** Gives a host back that this rollout has claimed, with the copy that lies there. */
export function release({ id, rollout }: Pick<Marker, 'id' | 'rollout'>): Command {
  const end = `"rollout":${JSON.stringify(rollout)}}`;
  return sh`case $(cat ${MARKER} 2>/dev/null) in ${beginningOf(id)}*${end}) rm -f ${COPY} ${MARKER}; rmdir ${ORIGINS} 2>/dev/null || : ;; esac`;
}

/** Exit code 0 where nothing of ours is left on a host. */
export const released = (): Command => sh`[ ! -e ${MARKER} ] && [ ! -e ${ORIGINS} ] && [ ! -e ${`${FOLDER}/jobs`} ]`;

/** Backups are data: they outlive the cluster that they were made of. */
const BACKUPS = 'backups';

/**
 * Gives a host up from which all was taken back: nothing of ours stays but backups, and those not with `data`. Not a job,
 * since it takes away what jobs are kept in. Says `left: …` of what stays, a line each. Exit code 1 where something was not
 * taken back, 75 while a job runs, {@link OWNED} on a host of somebody else. May be run twice.
 */
export function giveUp({ id }: Pick<Marker, 'id'>, { data = false } = {}): Command {
  return sh`if cd ${FOLDER} 2>/dev/null; then
  case $(cat owner 2>/dev/null) in ${beginningOf(id)}* | '') ;; *) cat owner; echo; exit ${OWNED} ;; esac
  for lock in jobs/*/lock; do
    [ ! -e "$lock" ] || flock -s -w 20 "$lock" true || { echo 'a job is still running there'; exit 75; }
  done
  rm -rf origins/.gone
  if [ -n "$(ls origins 2>/dev/null)" ]; then echo "not taken back: $(ls origins | tr '\n' ' ')"; exit 1; fi
  since=
  if [ -e owner ] && [ ! -d origins ]; then
    since=ever
    echo 'left: it was rolled out before origins were recorded: packages, files and containers stay'
  fi
  ${data ? sh`rm -rf ${BACKUPS}` : sh`rmdir ${BACKUPS} 2>/dev/null || :`}
  find . -mindepth 1 -maxdepth 1 ! -name ${BACKUPS} ! -name owner ! -name origins -exec rm -rf {} +
  rm -rf origins && rm -f owner
  cd /
  rmdir ${FOLDER} 2>/dev/null || echo ${`left: backups in ${FOLDER}/${BACKUPS}`}
  [ -n "$since" ] || rm -rf /etc/farweave
fi
rm -rf /run/farweave /run/farweave-*
:`;
}

/** Leaves a copy of the cluster where the host is its owner's, unless a newer one lies there. Whole, by rename. */
export function keep({ id }: Pick<Marker, 'id'>, { revision, text }: Copy): Command {
  return sh`case $(cat ${MARKER} 2>/dev/null) in ${beginningOf(id)}*) ;; *) exit 0 ;; esac
seen=$(head -c 40 ${COPY} 2>/dev/null | sed -n 's/^{"revision":\([0-9]*\),.*/\1/p')
[ "0$seen" -le ${revision} ] || exit 0
umask 077
printf %s ${text} > ${COPY}.new && sync ${COPY}.new && mv -f ${COPY}.new ${COPY}`;
}

/** JSON that begins with `{"revision":N,`. */
export interface Copy {
  readonly revision: number;
  readonly text: string;
}

/** What an answer holds at most is 64 KiB. */
const SLICE = 60_000;
const SLICES = 24;

/** Asks for the revision of the copy on a host. */
export const askingRevision = (): Command => sh`sed -n '1s/^{"revision":\([0-9]*\),.*/\1/p' ${COPY} 2>/dev/null`;

/** Asks for the copy, gzipped, in slices of base64: the answers one after another are the copy. */
export function askingCopy(): readonly Command[] {
  return Array.from(
    { length: SLICES },
    (_, n) => sh`gzip -c ${COPY} 2>/dev/null | base64 -w 0 | tail -c +${n * SLICE + 1} | head -c ${SLICE}`,
  );
}

/** A marker's id is its first field, so that the shell can compare it, and nothing else in it can look the same. */
const beginningOf = (id: string) => `{"id":${JSON.stringify(id)},`;
