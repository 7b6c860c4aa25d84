import * as z from 'zod';
import type { HostSpec } from '../../plan/plan.ts';
import { type Script, script, secret, sh, type Text, text } from '../../ssh/command.ts';
import { BRIDGE, networkArgs, RESOLVER } from '../network.ts';

/** What NodeBB's containers have in common. */
export const Forum = z.object({
  cluster: z.string(),
  image: z.string(),
  /** Such as `4.11.2`. */
  version: z.string(),
  /** Numbers of user and group that own the image's files. */
  user: z.string(),
  port: z.number(),
  /** Where readers find the forum; null: at each host's own address. */
  url: z.string().nullable(),
  database: z.string(),
  replicaSet: z.string(),
  /** `node0.farweave.local:27017`… */
  members: z.array(z.string()),
  /** The host that sends digests, publishes scheduled topics and brings an older schema up to date. */
  jobs: z.string(),
  network: networkArgs,
});
export type Forum = z.infer<typeof Forum>;

export const NAME = 'nodebb';
export const SECRET = 'nodebb.secret';
export const DATABASE_USER = 'nodebb';
export const DATABASE_PASSWORD = 'nodebb.databasePassword';
export const HOME = '/usr/src/app';
export const CONFIG_PATH = '/etc/farweave/nodebb/config.json';

export const DATA = '/var/lib/nodebb';
const UPLOADS = `${DATA}/uploads`;
const LOGS = `${DATA}/logs`;

/** What differs between versions. */
export function traits({ version }: Pick<Forum, 'version'>) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return {
    /** Keeps assets in a folder of its own, built after set-up from the plugins that the database names. 1.4 has them in its image. */
    builds: major > 1 || minor > 4,
    /** Takes a connection string, and topics over HTTP. Before, there were lists of hosts, and websockets. */
    modern: major > 1,
  };
}

/** Where readers find it on this host, without a slash at the end. */
export const urlOf = (host: Pick<HostSpec, 'address'>, { url, port }: Pick<Forum, 'url' | 'port'>) =>
  url?.replace(/\/+$/, '') ?? `http://${bracketed(host.address)}:${port}`;

/** The page that says whether it serves, asked at a host's own address whatever the forum's URL. */
export const front = (address: string, { url, port }: Pick<Forum, 'url' | 'port'>) =>
  `http://${bracketed(address)}:${port}${pathOf({ url })}`;

/** The label of a host whose forum is reached elsewhere from outside, such as behind NAT: `host:port`. */
export const FRONT = 'nodebb.front';

/** {@link front}, of a host. */
export const frontOf = (
  { address, labels }: Pick<HostSpec, 'address' | 'labels'>,
  forum: Pick<Forum, 'url' | 'port'>,
) => (labels[FRONT] === undefined ? front(address, forum) : `http://${labels[FRONT]}${pathOf(forum)}`);

const pathOf = ({ url }: Pick<Forum, 'url'>) => (url ? new URL(url).pathname.replace(/\/+$/, '') : '');

const bracketed = (address: string) => (address.includes(':') ? `[${address}]` : address);

/** 1.4 listens where its URL points, whatever its configuration says. */
export function listens(forum: Forum): number {
  const told = forum.url === null || traits(forum).modern ? '' : new URL(forum.url).port;
  return told === '' ? forum.port : Number(told);
}

/** For a driver of MongoDB. Written so that it can stand in a JSON string. */
export function connection(
  forum: Pick<Forum, 'members' | 'database' | 'replicaSet'>,
  user: string,
  password: string,
  source = forum.database,
): Text {
  const { members, database, replicaSet } = forum;
  return text`mongodb://${user}:${secret(password, 'uri')}@${members.join(',')}/${database}?replicaSet=${replicaSet}&authSource=${source}&w=majority`;
}

/** For a container that comes, works and goes, on the same network. */
export const visiting = (forum: Forum): readonly string[] => [
  `--network=${BRIDGE}`,
  `--mount=type=bind,source=${RESOLVER},target=/etc/resolv.conf,readonly`,
  ...inside(forum),
  ...modules(forum),
];

export const mounts = (forum: Forum): readonly string[] => [
  `--mount=type=bind,source=${CONFIG_PATH},target=${HOME}/config.json,readonly`,
  `--mount=type=bind,source=${UPLOADS},target=${HOME}/public/uploads`,
  // It logs to Docker, yet the loader opens a file, and 1.4 comes without the folder for it.
  `--mount=type=bind,source=${LOGS},target=${HOME}/logs`,
  ...(traits(forum).builds ? [`--mount=type=bind,source=${buildFolder(forum)},target=${HOME}/build`] : []),
  ...modules(forum),
];

export const inside = ({ user }: Forum) => [
  '--init',
  `--user=${user}`,
  `--workdir=${HOME}`,
  '--env=NODE_ENV=production',
];

/**
 * The published image declares its 570 MB of modules a volume, which Docker would copy for every container anew.
 * A volume with a name is copied once.
 */
const modules = (forum: Forum) =>
  traits(forum).builds ? [`--mount=type=volume,source=${modulesVolume(forum)},target=${HOME}/node_modules`] : [];

export const modulesVolume = ({ image }: Pick<Forum, 'image'>) => `nodebb-modules-${slug(image)}`;

/** One an image, so that what still runs keeps its assets while the next ones are built. */
export const buildFolder = ({ image }: Pick<Forum, 'image'>) => `${DATA}/build/${slug(image)}`;

const slug = (image: string) => image.replaceAll(/[^\w.]+/g, '-');

/** NodeBB does not make the folders for uploads itself. */
export function makingFolders(forum: Forum): Script {
  const [uid = '', gid = ''] = forum.user.split(':');
  const uploads = ['category', 'emoji', 'files', 'profile', 'sounds', 'system'].map((name) => `${UPLOADS}/${name}`);
  return script(
    sh`install -d -m 0711 ${DATA}`,
    sh`install -d -o ${uid} -g ${gid} ${LOGS} ${UPLOADS} ${uploads} ${traits(forum).builds ? [buildFolder(forum)] : []}`,
  );
}
