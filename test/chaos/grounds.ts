import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Client } from '@temporalio/client';
import { look } from '../../src/client/dev/embedded.ts';
import { exec, type Lab } from '../../src/lab/index.ts';
import { farweave, type Ran } from '../lab/farweave.ts';
import { FOLDER, install, putProgram, remove } from './audit.ts';
import { clients } from './pace.ts';

/** Where chaos takes place: a lab, and a cluster file whose `.farweave` beside it holds the embedded server. */
export interface Grounds {
  readonly lab: Lab;
  /** Names of the hosts of the cluster. */
  readonly hosts: readonly string[];
  /** The cluster file that is rolled out, and changed from row to row. */
  readonly file: string;
  readonly cluster: string;
  readonly client: () => Promise<Client>;
}

/** What a row changes in the cluster file, so that there is work on every host. */
export interface Change {
  readonly onFailure?: 'pause' | 'rollback' | 'continue';
  /** How many hosts may be parked. */
  readonly budget?: number;
  /** The settings of Docker too, which disturb what serves: then the hosts go one after another. */
  readonly disturbs?: true;
}

/** A package that nothing needs, and every release of the lab has. */
export const PACKAGE = 'tree';
const APT = '/usr/local/sbin/apt-get';

/** An apt-get that takes as long as it is told and says so, or fails as it is told: the slow step of every row. */
const SLOW_APT = String.raw`#!/bin/sh
case " $* " in *' -s '*) ;; *' install '*)
  if [ -e ${FOLDER}/broken ]; then echo 'E: broken on purpose' >&2; exit 100; fi
  left=0
  [ ! -e ${FOLDER}/slow ] || read -r left <${FOLDER}/slow
  while [ "$left" -gt 0 ]; do echo "$left more seconds"; left=$((left - 1)); sleep 1; done ;;
esac
exec /usr/bin/apt-get "$@"
`;

/** Lets the hosts count what is run on them, and makes package work as slow as rows want it. */
export async function equip(lab: Lab, hosts: readonly string[], file: string, cluster: string): Promise<Grounds> {
  await install(hosts);
  await Promise.all(hosts.map((host) => putProgram(host, APT, SLOW_APT)));
  const state = join(dirname(file), '.farweave');
  return { lab, hosts, file, cluster, client: clients(() => look(state).server?.address) };
}

/** Leaves nothing of chaos on the hosts. */
export async function unequip({ hosts }: Pick<Grounds, 'hosts'>): Promise<void> {
  await Promise.all(hosts.map((host) => exec(host, ['rm', '-f', APT])));
  await Promise.all(hosts.map(restoreHostKey));
  await purge(hosts);
  await remove(hosts);
}

/** What runs in the background for the cluster: pids of the server and the worker, undefined while there is none. */
export function running({ file }: Grounds) {
  const { server, worker } = look(join(dirname(file), '.farweave'));
  return { server: server?.pid, worker: worker?.pid };
}

/** The CLI, on the cluster of the grounds. */
export const onCluster = ({ file }: Pick<Grounds, 'file'>, ...args: readonly string[]): Promise<Ran> =>
  farweave(['--file', file, ...args]);

/** Changes the cluster file so that the packages on the hosts, and the settings of Docker where asked for, are no longer what it says. */
export async function change(
  grounds: Grounds,
  base: string,
  nth: number,
  { onFailure, budget, disturbs }: Change,
): Promise<void> {
  const policy = `onFailure: ${onFailure ?? 'pause'}${budget === undefined ? '' : `\n  budget: ${budget}`}`;
  const settings = disturbs ? `    settings: { max-concurrent-downloads: ${nth} }\n` : '';
  const text = base
    .replace('docker:\n', `docker:\n${settings}`)
    .replace('roles:\n', `roles:\n  system: { packages: [${PACKAGE}] }\n`)
    .replace('onFailure: pause', policy);
  await writeFile(grounds.file, text);
  await purge(grounds.hosts);
}

/** How many seconds the package work of a host takes beside its own; 0 ends it. */
export async function slow(hosts: readonly string[], seconds: number): Promise<void> {
  await Promise.all(hosts.map((host) => sh(host, `echo ${seconds} >${FOLDER}/slow`)));
}

/** Lets package work fail on a host. */
export const breakApt = (host: string) => sh(host, `true >${FOLDER}/broken`);
export const mendApt = (host: string) => sh(host, `rm -f ${FOLDER}/broken`);

/** Runs a script on a host as root, past SSH; throws where it does not end with 0. */
export async function sh(host: string, script: string): Promise<string> {
  const { exitCode, stdout, stderr } = await exec(host, ['sh', '-c', script]);
  if (exitCode !== 0) throw new Error(`${host}: exit code ${exitCode}: ${script}\n${stderr}`);
  return stdout;
}

/** Where a host's own key is kept while it shows another. */
export const KEPT_KEY = '/etc/ssh/chaos_kept_key';

/** Gives a host its own key back; one that has it is left alone. */
export const restoreHostKey = (host: string) =>
  sh(
    host,
    `[ ! -e ${KEPT_KEY} ] || { mv -f ${KEPT_KEY} /etc/ssh/ssh_host_ed25519_key && mv -f ${KEPT_KEY}.pub /etc/ssh/ssh_host_ed25519_key.pub && systemctl restart ssh; }`,
  );

/** What a rollout of a row changes, with what it must leave alone: containers, by their ids. */
export function traces({ hosts }: Grounds): Promise<readonly string[]> {
  const look = `cat /etc/docker/daemon.json; command -v ${PACKAGE}; ls /var/lib/farweave/receipts; docker ps --quiet --no-trunc | sort`;
  return Promise.all(hosts.map(async (host) => (await exec(host, ['sh', '-c', look])).stdout));
}

/** Units of jobs that run on the hosts, `vm1 farweave-….service`. */
export async function runningJobs({ hosts }: Grounds): Promise<readonly string[]> {
  const look = "systemctl list-units --no-legend --plain 'farweave-*.service' | grep -oE '^farweave-[0-9a-f]{32}' || :";
  const all = hosts.map(async (host) =>
    (await sh(host, look))
      .split('\n')
      .filter(Boolean)
      .map((unit) => `${host} ${unit}`),
  );
  return (await Promise.all(all)).flat();
}

/** With what Farweave has noted of it: or its undo would take the package for one that was there before the rollout. */
async function purge(hosts: readonly string[]): Promise<void> {
  const notes = '/var/lib/farweave/packages/system.prerequisites';
  const forget = `dpkg --purge ${PACKAGE}; for file in ${notes} ${notes}.all; do [ ! -e $file ] || sed -i '/^${PACKAGE}$/d' $file; done`;
  await Promise.all(hosts.map((host) => exec(host, ['sh', '-c', forget])));
}
