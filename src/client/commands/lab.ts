import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import * as lab from '../../lab/index.ts';
import { type At, type Run, teach, writeJson } from '../command.ts';
import { EXIT } from '../errors.ts';
import { FROM_ENVIRONMENT, labCluster } from '../lab-cluster.ts';
import { waiting } from '../waiting.ts';
import { writeNew } from './init.ts';
import { current, show } from './lab/show.ts';
import { labSsh } from './lab/ssh.ts';

interface UpOptions {
  readonly sites?: number | readonly string[];
  readonly hosts?: number;
  readonly release?: lab.HostRelease;
  readonly delay?: number;
  readonly source?: lab.ImageSource;
  readonly write?: string;
  readonly force?: boolean;
}

export function addLab(program: Command, run: Run): void {
  const group = program
    .command('lab')
    .summary('hosts to try things on')
    .description(
      'Hosts like virtual machines on this machine, in data centers with delay between them: Debian with systemd, sshd and ' +
        'sudo with a password (vagrant/vagrant), and an image registry. Needs a Docker engine, or root on Debian or Ubuntu ' +
        'to start one. Each checkout has a lab of its own.',
    );
  teach(group, [
    ['farweave lab up', 'three hosts in three data centers'],
    ['farweave lab up --write cluster.yaml', 'and a cluster file for them'],
    ['farweave lab exec vm0 -- systemctl is-system-running', ''],
    ['farweave lab partition ams', 'cut a data center off; lab heal ends it'],
    ['farweave lab kill vm1', 'power cut; lab start vm1 switches on again'],
    ['farweave lab down', 'take it all away'],
  ]);
  group
    .command('up')
    .summary('bring the lab up, or let it grow')
    .description('Brings up what is missing. Doing it twice changes nothing; a lab that is there only grows.')
    .option('--sites <list>', 'a number, or names: ams,fra', sitesOf)
    .option('--hosts <number>', 'hosts in each data center', wholeNumber)
    .addOption(new Option('--release <name>', 'one Debian release for new hosts').choices(['trixie', 'bookworm']))
    .option('--delay <ms>', 'between data centers, each way', wholeNumber)
    .addOption(new Option('--source <kind>', 'where images come from').choices(['published', 'packages']))
    .option('--write <file>', 'write a cluster file for the hosts')
    .option('--force', 'replace a cluster file that is there')
    .action(run(labUp));
  group.command('status').summary('hosts, addresses, faults').description('Shows the lab.').action(run(labStatus));
  group
    .command('exec')
    .summary('run a command in a host, as root')
    .description('Runs a command by way of the engine: without ssh, and under a partition too. Gives its exit code.')
    .argument('<host>')
    .argument('<command...>', 'after --')
    .action(run(labExec));
  group
    .command('ssh')
    .summary('log in to a host')
    .description('Logs in as vagrant.')
    .argument('<host>')
    .action(run(labSsh));
  const faults = [
    ['reboot', 'restart a host in order', lab.reboot],
    ['kill', 'cut the power of a host', lab.kill],
    ['start', 'switch a host on', lab.start],
  ] as const;
  for (const [name, summary, work] of faults)
    group
      .command(name)
      .summary(summary)
      .description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`)
      .argument('<host>')
      .action(run((at: At, host: string) => done(at, `${name} ${host}`, () => work(host))));
  group
    .command('partition')
    .summary('cut the network between two ends')
    .description(
      `Cuts two hosts, data centers or "${lab.CONTROLLER}" (this machine) off from each other, silently; one alone from all.`,
    )
    .argument('<a>')
    .argument('[b]')
    .action(
      run((at: At, a: string, b?: string) => done(at, `partition ${a}${b ? ` ${b}` : ''}`, () => lab.partition(a, b))),
    );
  group
    .command('heal')
    .summary('end all partitions')
    .description('Ends all partitions.')
    .action(run((at: At) => done(at, 'heal', () => lab.heal())));
  group
    .command('delay')
    .summary('set the delay between data centers')
    .description('Sets the delay between data centers, and how many packets are lost.')
    .argument('<ms>', 'each way', wholeNumber)
    .argument('[loss]', 'percent of packets', wholeNumber)
    .action(run((at: At, ms: number, loss?: number) => done(at, `delay ${ms} ms`, () => lab.delay(ms, loss))));
  group
    .command('down')
    .summary('take the lab away')
    .description('Removes hosts, networks, volumes, and the engine if the lab started it. Caches stay.')
    .action(run((at: At) => done(at, 'Taking the lab away', (progress) => lab.down({ progress }))));
}

/** Brings the lab up, with its progress shown. */
export async function bringUp(
  { io }: Pick<At, 'io'>,
  options: Omit<lab.LabOptions, 'progress'> = {},
): Promise<lab.Lab> {
  return await waiting(io, 'Bringing the lab up', (progress) => lab.up({ ...options, progress }));
}

/** Takes the lab away, with its progress shown. */
export async function takeDown({ io }: Pick<At, 'io'>): Promise<void> {
  await waiting(io, 'Taking the lab away', (progress) => lab.down({ progress }));
}

async function labUp(at: At, { write, force = false, hosts, delay, ...options }: UpOptions): Promise<number> {
  const built = await bringUp(at, { ...options, hostsPerSite: hosts, delayMs: delay });
  if (write) {
    const text = labCluster(built, { name: 'forum', secrets: FROM_ENVIRONMENT });
    await writeNew(resolve(at.io.cwd, write), text, write, force);
  }
  show(at, built);
  if (write && !at.global.json)
    at.io.out.write(
      `\n${write} is a cluster file for these hosts. Its passwords are taken from the environment:\n` +
        `  export FARWEAVE_PASSWORD=vagrant NODEBB_ADMIN_PASSWORD=password\n`,
    );
  return EXIT.ok;
}

async function labStatus(at: At): Promise<number> {
  show(at, await current());
  return EXIT.ok;
}

async function labExec({ io, global }: At, host: string, command: readonly string[]): Promise<number> {
  const { exitCode, stdout, stderr } = await lab.exec(host, command);
  if (global.json) writeJson({ io }, { exitCode, stdout, stderr });
  else {
    io.out.write(stdout);
    io.err.write(stderr);
  }
  return exitCode;
}

async function done(at: At, title: string, work: (progress: (line: string) => void) => Promise<void>): Promise<number> {
  await waiting(at.io, title, work);
  if (at.global.json) writeJson(at, { done: title });
  else at.io.out.write(`${title}: done\n`);
  return EXIT.ok;
}

function sitesOf(value: string): number | readonly string[] {
  return /^\d+$/.test(value) ? wholeNumber(value) : value.split(',');
}

function wholeNumber(value: string): number {
  if (/^\d{1,5}$/.test(value)) return Number(value);
  throw new InvalidArgumentError('Wants a whole number.');
}
