import './lab-name.ts'; // before the lab
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { exec, kill, type LabHost } from '../../src/lab/index.ts';
import { run } from '../lab/farweave.ts';
import { Checks, timed } from './checks.ts';
import { Readers } from './readers.ts';
import { costOf, file, onCluster, prepared, sh, status, takeDown } from './stage.ts';
import { Writer } from './writer.ts';

/**
 * `make test-living`: years of a cluster in some minutes. Three hosts; two more by signal, under load; the primary dies and
 * is replaced; a setting of MongoDB rolls through; drift is found and repaired; a host leaves; everything is taken away.
 * The figures stand in build/living.json. `KEEP=1` leaves the lab up.
 */
const root = join(import.meta.dirname, '../..');
const checks = new Checks();
const seconds: Record<string, number> = {};
const stage = await prepared();
const [ams, fra, nyc] = stage.first;
const [ams2, fra2, nyc2] = stage.spare;
if (!ams || !fra || !nyc || !ams2 || !fra2 || !nyc2) throw new Error('The lab has too few hosts.');

await does('first rollout onto three hosts', () => onCluster('apply', '--yes'));
const primary = await primaryAmong(stage.first);
const [second, third] = stage.first.filter((host) => host !== primary);
const writer = await writerOn(second!);
await writer.start();
const readers = new Readers(stage.first.map(({ address }) => address));

const before = await startedAt(stage.first);
await does('two hosts by signal, in two data centers', () =>
  Promise.all([added(fra2), added(nyc2)]).then(([one, other]) => ({
    exitCode: one.exitCode || other.exitCode,
    output: `${one.output}${other.output}`,
  })),
);
readers.addresses = [...stage.first, fra2, nyc2].map(({ address }) => address);
checks.ok('no container of the others was started anew', same(before, await startedAt(stage.first)), before);
await members('five members of the replica set vote', [...stage.first, fra2, nyc2]);
const adding = await costs((await status()).requests?.map(({ revision }) => revision ?? 0) ?? []);

console.log(`   ${primary.name}, the primary, loses its power for good`);
readers.phase = 'death of the primary';
await sleep(5_000); // what was asked for before has its answer by now
await kill(primary.name);
// What fails before another is elected fails for want of a primary, whatever is done meanwhile.
const elected = electedAmong([second!, third!, fra2, nyc2]).then(() => (readers.phase = 'replacing it'));
await does('the dead primary is replaced', () =>
  onCluster('host', 'replace', primary.name, ams2.sshAddress, '--site', ams2.site, '--host-key', ams2.hostKey, '--yes'),
);
readers.addresses = [second!, third!, fra2, nyc2, ams2].map(({ address }) => address);
await members('the new machine votes, and the dead one is forgotten', [second!, third!, fra2, nyc2, ams2]);

await does('the cluster file takes over what came by signal', () =>
  onCluster('cluster', 'spec', '-o', file, '--force'),
);
await elected;
readers.phase = 'a setting of MongoDB';
await writeFile(file, (await readFile(file, 'utf8')).replace('oplogMB: 64', 'oplogMB: 128'));
await does('a setting of MongoDB rolls through', () => onCluster('apply', '--yes'));
await does('a second apply changes nothing', () => onCluster('apply', '--yes'), /^done: 0 changed/m);

readers.phase = 'drift and repair';
await sh(third!.name, 'docker stop -t 20 nodebb > /dev/null');
await sh(fra2.name, "sed -i 's/^/# edited\\n/' /etc/farweave/dns.hosts");
await does(
  'drift is found',
  () => onCluster('drift'),
  new RegExp(`${third!.name}[^]*${fra2.name}|${fra2.name}[^]*${third!.name}`),
  4,
);
await does('drift is repaired', () => onCluster('drift', '--repair', '--yes'));
await does('no drift is left', () => onCluster('drift'));

readers.phase = 'removing';
await does('an alive host leaves', () => onCluster('host', 'remove', nyc2.name, '--data', '--yes'));
readers.addresses = [second!, third!, fra2, ams2].map(({ address }) => address);
await members('four members are left', [second!, third!, fra2, ams2]);
checks.ok('nothing is left on the host that has left', (await left(nyc2)) === '', await left(nyc2));

const read = await readers.stop();
const written = await writer.stop();
const { 'death of the primary': death, ...changes } = read;
const failed = Object.values(changes).reduce((sum, phase) => sum + phase.failed, 0);
const requests = Object.values(changes).reduce((sum, phase) => sum + phase.requests, 0);
checks.ok(`no request of ${requests} failed while hosts came, went and changed`, requests > 100 && failed === 0, read);
console.log('   while there was no primary:', death);
checks.ok(`no write of ${written.acknowledged} was lost`, written.acknowledged > 100 && written.lost === 0, written);

await does('everything is destroyed', () => onCluster('destroy', '--data', '--yes'));
for (const host of [second!, third!, fra2, ams2])
  checks.ok(`nothing is left on ${host.name}`, (await left(host)) === '', await left(host));

const figures = { seconds, adding, read, written, passed: checks.passed, failed: checks.failed };
const report = join(root, 'build/living.json');
await mkdir(dirname(report), { recursive: true });
await writeFile(report, `${JSON.stringify(figures, null, 2)}\n`);
console.log(JSON.stringify(figures, null, 2));
if (!process.env.KEEP) await takeDown();
console.log(`${checks.passed} passed, ${checks.failed} failed`);
process.exitCode = checks.failed === 0 ? 0 : 1;

/** One act of the story: a command, and how it is to end. */
async function does(
  what: string,
  act: () => Promise<{ readonly exitCode: number; readonly output: string }>,
  says = /./,
  exitCode = 0,
): Promise<void> {
  console.log(`== ${what}`);
  const [ran, took] = await timed(act);
  seconds[what] = took;
  checks.ok(`${what} (${took} s)`, ran.exitCode === exitCode && says.test(ran.output), ran.output.slice(-2_000));
}

/** By a signal, with the key that the host shows, as a script of the operator sends it. */
function added({ name, site, sshAddress, hostKey }: LabHost) {
  const env = { FARWEAVE_STATE: join(dirname(file), '.farweave') };
  return run(process.execPath, ['examples/add-host.ts', 'living', name, site, sshAddress, hostKey], {
    env,
    show: true,
  });
}

async function costs(revisions: readonly number[]) {
  const client = await stage.client();
  return Promise.all(
    [...new Set(revisions)].map(async (revision) => ({ revision, ...(await costOf(client, revision)) })),
  );
}

/** The configuration of the replica set, as one of its members has it. */
async function members(what: string, hosts: readonly LabHost[]): Promise<void> {
  const numbers = await Promise.all(hosts.map((host) => memberOn(host)));
  const asked = await inMember(hosts[0]!, 'print(JSON.stringify(db.hello().hosts))');
  const names = (JSON.parse(asked) as string[]).map((name) => name.split('.')[0]);
  checks.ok(what, same(names.toSorted(byName), numbers.toSorted(byName)), { names, numbers });
}

/** Until one of these is the primary: 4.4.2 takes up to half a minute where the last one went without a word. */
async function electedAmong(hosts: readonly LabHost[]): Promise<void> {
  for (const end = Date.now() + 180_000; Date.now() < end; )
    if (await primaryAmong(hosts).catch(() => undefined)) return;
}

async function primaryAmong(hosts: readonly LabHost[]): Promise<LabHost> {
  const asked = await Promise.all(hosts.map((host) => inMember(host, 'print(db.hello().isWritablePrimary)')));
  const found = hosts[asked.findIndex((answer) => answer === 'true')];
  if (!found) throw new Error('The replica set has no primary.');
  return found;
}

async function memberOn(host: LabHost): Promise<string> {
  return (await sh(host.name, "docker ps --format '{{.Names}}' | grep ^node[0-9]")).trim();
}

async function inMember(host: LabHost, script: string): Promise<string> {
  const { stdout } = await exec(host.name, [
    'docker',
    'exec',
    await memberOn(host),
    'mongosh',
    '--quiet',
    '--eval',
    script,
  ]);
  return stdout.trim();
}

async function writerOn(host: LabHost): Promise<Writer> {
  const { stdout } = await onCluster('secrets', 'show', 'mongodb.adminPassword');
  const index = Number((await memberOn(host)).slice('node'.length));
  return new Writer(host.name, {
    image: stage.lab.images.mongodb,
    members: [0, 1, 2].map((n) => `node${n}.farweave.local:27017`),
    password: stdout.trim(),
    ip: `10.200.${index}.100`,
  });
}

/** When the containers of Farweave were started. */
function startedAt(hosts: readonly LabHost[]): Promise<readonly string[]> {
  const look = `docker ps --quiet | xargs docker inspect --format '{{.Name}} {{.State.StartedAt}}' | grep -v living | sort`;
  return Promise.all(hosts.map((host) => sh(host.name, look)));
}

/** What of Farweave is on a host. */
function left({ name }: LabHost): Promise<string> {
  return sh(
    name,
    `ls -d /etc/farweave /var/lib/farweave /var/lib/mongodb /etc/wireguard/fw0* 2>/dev/null; command -v docker || :; ip -o link show fw0 2>/dev/null || :; systemctl list-units --all --no-legend --plain 'farweave*' | cut -d ' ' -f 1`,
  );
}

function byName(one = '', other = ''): number {
  return one.localeCompare(other);
}

function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
