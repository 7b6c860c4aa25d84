import * as z from 'zod';
import type { HostSpec, Stage } from '../../plan/plan.ts';
import { script, sh } from '../../ssh/command.ts';
import { type Backup, BackupId, backupFact, Kept } from '../backup.ts';
import { no, operation, unknown, type Verdict, yes } from '../operation.ts';
import { BACKUPS } from './backups.ts';
import { whileLocked } from './held.ts';
import { Member, OWNER, shellOf } from './member.ts';
import { proving } from './scratch.ts';
import { ADMIN_PASSWORD, DATA, MARK } from './shell.ts';
import { LAG, sources, standing } from './standing.ts';

/** In a backup's folder. */
export const ARCHIVE = 'data.tar.gz';
const MANIFEST = 'manifest.json';

export const folderOf = (id: string) => `${BACKUPS}/${id}`;
/** Until it has been proven. */
const partOf = (id: string) => `${BACKUPS}/.${id}`;

/** Beside the data of a member: on the same disk, so that to move between them is to rename. MongoDB looks at neither. */
export const ASIDE = `${DATA}/.farweave-`;

const HOURS = 3_600_000;

const Taking = Member.extend({
  id: BackupId,
  /** Members that it may be taken of. */
  hosts: z.array(z.object({ name: z.string(), site: z.string() })),
  copies: z.number(),
});
type Taking = z.infer<typeof Taking>;

type Lags = Readonly<Record<string, string>> | undefined;

/** Of a host that has not got it yet: whether it is one that takes it. */
function wants(name: string, { hosts, copies }: Taking, lags: Lags, missing: Verdict): Verdict {
  const chosen = sources(lags, hosts, copies);
  const said = Object.entries(lags ?? {}).map(([host, standing]) => `${host} ${standing.split(' ')[0]}`);
  if (said.length === 0) return missing; // nobody has been asked yet
  if (chosen.length === 0) return unknown(`there is no secondary that could be spared: ${said.join(', ')}`);
  return chosen.includes(name) ? missing : yes();
}

/** A copy of a member's files, taken while it is locked. */
export const copied = operation('mongodb.copied', Taking, {
  timeout: 4 * HOURS,
  publishes: [],
  needs: [LAG],
  undo: (_, { id }) => script(sh`rm -rf ${partOf(id)}`),
  probe: (_, { id }) => sh`if [ -e ${partOf(id)}/${ARCHIVE} ] || [ -e ${folderOf(id)} ]; then echo copied; fi`,
  judge: ({ stdout }, { name }, taking, { [LAG]: lags }) =>
    stdout.trim() === 'copied' ? yes() : wants(name, taking, lags, no('no copy', 'a copy of the data')),
  apply: (host, taking) => {
    const part = partOf(taking.id);
    const copy = sh`find ${DATA} -mindepth 1 -maxdepth 1 ! -name mongod.lock ! -name diagnostic.data ! -name '.farweave-*' -exec cp -a --reflink=auto -t ${part}/data {} +`;
    return script(
      sh`umask 077
install -d -m 0700 ${BACKUPS}
rm -rf ${part}
mkdir ${part} ${part}/data
${spacious(BACKUPS, DATA, 2)}`,
      whileLocked(shellOf(host, taking), part, copy),
      // The least compression: MongoDB has compressed most of it already.
      sh`nice tar -C ${part}/data -I 'gzip -1' -cf ${part}/${ARCHIVE}.new .
mv ${part}/${ARCHIVE}.new ${part}/${ARCHIVE}
rm -rf ${part}/data`,
    );
  },
});

/** A backup of which it is proven that it can be laid back. */
export const backup = operation('mongodb.backup', Taking, {
  timeout: 4 * HOURS,
  publishes: [],
  needs: [LAG],
  // One that was proven stays one, whatever becomes of the others.
  undo: (_, { id }) => script(sh`rm -rf ${partOf(id)}`),
  probe: (_, { id }) => sh`if [ -e ${folderOf(id)} ]; then echo there; fi`,
  judge: ({ stdout }, { name }, taking, { [LAG]: lags }) =>
    stdout.trim() === 'there' ? yes() : wants(name, taking, lags, no('not proven', 'a backup that can be laid back')),
  apply: (host, taking) => {
    const { id, cluster, replicaSet } = taking;
    const part = partOf(id);
    const scratch = `${part}/scratch`;
    const found = `${part}/found`;
    const manifest = JSON.stringify({ id, cluster, replicaSet }).slice(0, -1);
    return script(
      sh`umask 077
rm -rf ${scratch} ${folderOf(id)}
${unpacking(part, scratch)}`,
      proving(host, taking, { folder: scratch, wanted: sh`cat ${part}/locked`, found }),
      sh`rm -rf ${scratch}
cd ${part}
sum=$(nice sha256sum ${ARCHIVE} | cut -d ' ' -f 1)
size=$(stat -c %s ${ARCHIVE})
printf '%s,"at":"%s","locked":%s,"bytes":%s,"sha256":"%s",%s\n' ${manifest} "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(cat seconds)" "$size" "$sum" "$(sed -n ${`s/^${MARK}{//p`} found)" > ${MANIFEST}
rm -f hold said locked seconds found
sync ${ARCHIVE} ${MANIFEST}
mv ${part} ${folderOf(id)}
sync ${BACKUPS}`,
    );
  },
});

const Manifest = Kept.extend({ id: z.string(), cluster: z.string(), replicaSet: z.string() });
export type Manifest = z.infer<typeof Manifest>;

/** Prints the id of every backup with what lies beside it, a line each. */
export const listing = sh`for folder in ${BACKUPS}/*/; do
  if [ -d "$folder" ]; then echo "backup $(basename "$folder") $(head -c 1000 "$folder"/${MANIFEST} 2> /dev/null | head -n 1)"; fi
done`;

/** What {@link listing} has printed, the oldest first. */
export function listed(stdout: string, host: string): readonly (Backup & { readonly manifest?: Manifest })[] {
  return [...stdout.matchAll(/^backup (\S+) ?(.*)$/gm)].map(([, id = '', text = '']) => {
    const manifest = manifestOf(text);
    if (manifest === undefined || manifest.id !== id) return { id, host };
    return { id, host, kept: Kept.parse(manifest), manifest };
  });
}

function manifestOf(text: string): Manifest | undefined {
  try {
    return Manifest.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Not more backups than wanted, and nothing of what earlier backups and restores have left. Tells which there are. */
export const kept = operation('mongodb.kept', z.object({ keep: z.number() }), {
  publishes: [],
  undo: { irreversible: 'what was let go is gone' },
  probe: () => sh`${listing}
for left in ${BACKUPS}/.[0-9]* ${ASIDE}*; do [ ! -e "$left" ] || echo "left $left"; done`,
  judge: ({ stdout }, { name }, { keep }) => {
    const all = listed(stdout, name);
    const facts = Object.fromEntries(all.map((each) => [backupFact(each.id), JSON.stringify(each.kept ?? null)]));
    const left = [...stdout.matchAll(/^left (.+)$/gm)].map(([, path = '']) => path.split('/').at(-1));
    const found = [...(all.length > keep ? [`${all.length} backups`] : []), ...left];
    const verdict = found.length === 0 ? yes() : no(found.join(', '), `${keep} backups, and nothing that is left over`);
    return { ...verdict, facts };
  },
  apply: (_, { keep }) =>
    script(sh`rm -rf ${BACKUPS}/.[0-9]* ${ASIDE}*
if [ -d ${BACKUPS} ]; then
  cd ${BACKUPS}
  ls | sort | head -n ${-keep} | while read -r id; do rm -rf "./$id"; done
fi`),
});

export const operations = [standing, copied, backup, kept];

/** Takes a backup of some members, one after another, so that no two are locked at once. */
export function taking(
  member: Member,
  on: readonly HostSpec[],
  { id, copies, keep }: { readonly id: string; readonly copies: number; readonly keep: number },
): readonly Stage[] {
  const args = { ...member, id, copies, hosts: on.map(({ name, site }) => ({ name, site })) };
  const each = { secrets: [ADMIN_PASSWORD], barrier: { scope: 'cluster', on: 'each', order: 'all' } } as const;
  return [
    standing.over(on, 'ask which member can be spared', { port: member.port }, each),
    copied.over(on, 'copy the data of a secondary', args, {
      ...each,
      barrier: { ...each.barrier, order: { rolling: 1 } },
    }),
    backup.over(on, 'prove the backup', args, each),
    keeping(on, keep),
  ];
}

export const keeping = (on: readonly HostSpec[], keep: number): Stage =>
  kept.over(on, 'let older backups go', { keep });

/** Ends with 28 (ENOSPC) where a folder's disk has no room for so many times what lies in another place. */
export const spacious = (
  folder: string,
  source: string,
  times: number,
) => sh`need=$(($(du -sk ${source} | cut -f 1) * ${times} + 65536))
free=$(df -Pk ${folder} | awk 'NR == 2 { print $4 }')
if [ "$free" -lt "$need" ]; then echo "${raw(folder)} has $((free / 1024)) MiB free, and needs $((need / 1024))"; exit 28; fi`;

/** Lays the files of an archive into a new folder that belongs to MongoDB. */
export const unpacking = (folder: string, into: string) => sh`mkdir ${into}
nice tar -C ${into} -xzf ${folder}/${ARCHIVE}
chown ${OWNER} ${into}
chmod 0700 ${into}`;

const raw = (path: string) => ({ text: path });
