import * as z from 'zod';
import type { HostSpec, Stage } from '../../plan/plan.ts';
import { script, sh } from '../../ssh/command.ts';
import { BackupId, type Restoring, type Wanted } from '../backup.ts';
import { named } from '../container.ts';
import { no, operation, unknown, yes } from '../operation.ts';
import { ARCHIVE, ASIDE, folderOf, listed, listing, spacious, unpacking } from './backup.ts';
import { Member, memberName, OWNER } from './member.ts';
import { proving } from './scratch.ts';
import { ADMIN_PASSWORD, DATA } from './shell.ts';

const Restored = Member.extend({
  id: BackupId,
  /** When this restore was asked for. What it lays aside is named so: a backup may be laid back twice. */
  asked: BackupId,
  /** The host that has the backup. */
  from: z.string(),
  sha256: z.string(),
  /** Version of MongoDB that is to read it. */
  version: z.string(),
});

/** Seconds in which a question can be answered. What takes longer is found out when the archive is unpacked. */
const LOOK = 90;

/** In the folder of the data, hence on its disk. */
const unpackedIn = (asked: string) => `${ASIDE}restored-${asked}`;
const beforeIn = (asked: string) => `${ASIDE}before-${asked}`;

/** Whether the backup is the one that was agreed to, whole, and one that this cluster can read. */
export const restorable = operation('mongodb.restorable', Restored, {
  kind: 'preflight',
  publishes: [],
  probe: (_, { id }) => sh`${listing}
timeout ${LOOK} sha256sum ${folderOf(id)}/${ARCHIVE} || [ $? = 124 ]`,
  judge: ({ stdout }, host, { id, cluster, replicaSet, version, sha256 }) => {
    const found = listed(stdout, host.name).find((each) => each.id === id);
    if (!found) return no(`no backup ${id}`, `one at ${folderOf(id)}`);
    const { manifest } = found;
    if (!manifest)
      return no(`backup ${id} is damaged: its manifest cannot be read`, 'a whole one: take another backup');
    const sum = /^([0-9a-f]{64}) /m.exec(stdout)?.[1];
    if (manifest.sha256 !== sha256 || (sum !== undefined && sum !== sha256))
      return no(
        `backup ${id} is damaged: its archive is not the one that was taken`,
        'a whole one: take another backup',
      );
    if (manifest.cluster !== cluster || manifest.replicaSet !== replicaSet)
      return no(`a backup of ${manifest.replicaSet} of ${manifest.cluster}`, `one of ${replicaSet} of ${cluster}`);
    const release = (text: string) => text.split('.').slice(0, 2).join('.');
    return release(manifest.version) === release(version)
      ? yes()
      : no(`a backup of MongoDB ${manifest.version}`, `one of MongoDB ${version}, or an image of that release first`);
  },
});

/** The backup, unpacked beside the data and proven, while everything serves still. */
export const unpacked = operation('mongodb.unpacked', Restored, {
  timeout: 4 * 3_600_000,
  publishes: [],
  undo: (_, { asked }) => script(sh`rm -rf ${unpackedIn(asked)}`),
  probe: (_, { asked }) =>
    sh`if [ -e ${unpackedIn(asked)}/.proven ] || [ -e ${beforeIn(asked)}/.done ]; then echo proven; fi`,
  judge: ({ stdout }) =>
    stdout.trim() === 'proven' ? yes() : no('not unpacked', 'unpacked beside the data, and proven'),
  apply: (host, restored) => {
    const { id, asked, sha256 } = restored;
    const folder = unpackedIn(asked);
    return script(
      sh`umask 077
cd ${folderOf(id)}
echo ${`${sha256}  ${ARCHIVE}`} | nice sha256sum -c --quiet || { echo 'the archive is damaged'; exit 1; }
rm -rf ${folder}
${spacious(DATA, `${folderOf(id)}/${ARCHIVE}`, 3)}
${unpacking(folderOf(id), folder)}`,
      proving(host, restored, { folder, wanted: sh`echo null`, found: `${folder}/.found` }),
      sh`mv ${folder}/.found ${folder}/.proven`,
    );
  },
});

/**
 * The member is stopped and its data laid aside. On the host that has the backup, that is in its place; the others are
 * empty, and copy all from there as members that are new.
 */
export const replaced = operation('mongodb.replaced', Restored, {
  timeout: 600_000,
  publishes: [],
  disrupts: true,
  undo: (host, { asked }) => {
    const name = memberName(host);
    return script(
      sh`[ -z "$(docker ps --all --quiet --filter ${named(name)})" ] || docker stop -t 60 ${name}
if [ -e ${beforeIn(asked)}/.whole ]; then
  find ${DATA} -mindepth 1 -maxdepth 1 ! -name '.farweave-*' -exec rm -rf {} +
  rm -f ${beforeIn(asked)}/.done ${beforeIn(asked)}/.whole
  sync ${DATA} ${beforeIn(asked)}
fi
if [ -d ${beforeIn(asked)} ]; then
  find ${beforeIn(asked)} -mindepth 1 -maxdepth 1 -exec mv -t ${DATA} {} +
  rmdir ${beforeIn(asked)}
fi
[ -z "$(docker ps --all --quiet --filter ${named(name)})" ] || docker start ${name}`,
    );
  },
  probe: (_, { asked }) => sh`if [ -e ${beforeIn(asked)}/.done ]; then echo done; else ls -d ${DATA}; fi`,
  judge: ({ stdout, stderr }) => {
    if (stdout.trim() === 'done') return yes();
    return stdout.trim() === DATA ? no('the data of before', 'that of the backup') : unknown(stderr.trim());
  },
  apply: (host, { asked, from }) => {
    const name = memberName(host);
    const before = beforeIn(asked);
    return script(
      sh`[ -z "$(docker ps --all --quiet --filter ${named(name)})" ] || docker stop -t 60 ${name}
if [ ! -e ${before}/.whole ]; then
  install -d -m 0700 ${before}
  find ${DATA} -mindepth 1 -maxdepth 1 ! -name '.farweave-*' -exec mv -t ${before} {} +
  : > ${before}/.whole
  sync ${before} ${DATA}
fi`,
      ...(host.name === from
        ? [
            sh`find ${unpackedIn(asked)} -mindepth 1 -maxdepth 1 ! -name .proven -exec mv -t ${DATA} {} +
chown ${OWNER} ${DATA}
rm -rf ${unpackedIn(asked)}`,
          ]
        : []),
      sh`sync ${DATA}
: > ${before}/.done`,
    );
  },
});

/** What was laid aside is no longer what an undo would put back: it is left to whoever wants it, until the next backup. */
const settled = operation('mongodb.settled', z.object({ asked: BackupId }), {
  publishes: [],
  undo: { irreversible: 'all serve with the data of the backup by now' },
  probe: (_, { asked }) => sh`if [ -e ${beforeIn(asked)} ]; then echo there; fi`,
  judge: ({ stdout }) => (stdout.trim() === '' ? yes() : no('to be put back', 'left aside')),
  apply: (_, { asked }) => script(sh`mv ${beforeIn(asked)} ${`${ASIDE}former-${asked}`}`),
});

export const operations = [restorable, unpacked, replaced, settled];

/** Proves a backup on its host while all serve, then stops all members and puts it in the place of their data. */
export function replacing(
  member: Member,
  on: readonly HostSpec[],
  { id, asked, host: from, sha256, version }: Wanted & { readonly version: string },
): Pick<Restoring, 'prove' | 'halt' | 'settle'> {
  const args = { ...member, id, asked, from, sha256, version };
  const source = on.filter(({ name }) => name === from);
  const all = { scope: 'cluster', on: 'each', order: 'all' } as const;
  return {
    prove: [
      restorable.over(source, 'check that the backup is whole', args),
      unpacked.over(source, 'unpack the backup and prove it', args, { secrets: [ADMIN_PASSWORD], barrier: all }),
    ],
    halt: [replaced.over(on, 'put the backup in the place of the data', args, { barrier: all })],
    settle: [settled.over(on, 'leave the data of before aside', { asked })],
  };
}

/** What one member does for all is done by the one that has the data: the others have been in the set, and no longer are. */
export const knowing = (stage: Stage, host: string): Stage =>
  stage.scope !== 'host' && stage.on === 'one' ? { ...stage, hosts: [host] } : stage;
