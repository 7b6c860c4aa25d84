import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { exec, type LabHost, reboot, up } from '../../src/lab/index.ts';
import { address, gateway, meshAddress, SLOTS } from '../../src/roles/network.ts';
import { network } from '../applied.ts';

/** The mesh of the demo, which set-up has rolled out: `node<n>` and `nodebb` run on the n-th host. */
let hosts: readonly LabHost[];

beforeAll(async () => {
  ({ hosts } = await up({ progress: () => undefined }));
});

describe('names', () => {
  it('lead from every container to the containers on other hosts', async () => {
    for (const [from, to] of pairs()) {
      const { stdout } = await inside(from, `getent ahostsv4 ${nameOf(to)}`);
      expect(stdout.split(/\s/)[0], `${nameOf(to)} as seen from vm${from}`).toBe(addressOf(to));
      expect((await inside(from, tcp(nameOf(to), 27017))).exitCode, `vm${from} to ${nameOf(to)}`).toBe(0);
    }
  });

  it('that several hosts have lead to all of them, each in turn the first', async () => {
    const asked = await asking(0, `nodebb.${network.domain}`, 12);
    const everyone = hosts.map((_, index) => address(network, { index }, SLOTS.nodebb));
    for (const answer of asked) expect(answer.toSorted()).toEqual(everyone);
    expect(new Set(asked.map(([first]) => first))).toEqual(new Set(everyone));
    const { stdout } = await inside(0, `getent ahostsv4 nodebb.${network.domain}`);
    const seen = stdout.split('\n').flatMap((line) => line.split(' ')[0] || []);
    expect(new Set(seen), 'in a container beside one of that name').toEqual(new Set(everyone));
  });

  it('outside of the domain are looked up where the host looks them up', async () => {
    const name = 'deb.debian.org';
    const { stdout } = await exec(hosts[0]!.name, ['getent', 'ahostsv4', name]);
    expect(stdout).toMatch(/^\d/);
    const found = await inside(0, `getent ahostsv4 ${name}`);
    expect(addressesIn(found.stdout)).toEqual(addressesIn(stdout));
  });

  it('that nobody has are not asked for outside', async () => {
    expect(await inside(0, `getent ahostsv4 nobody.${network.domain}`)).toMatchObject({ exitCode: 2, stdout: '' });
  });

  it('are served on the bridge alone', async () => {
    const { stdout } = await exec(hosts[0]!.name, ['sh', '-c', "ss -lnuH 'sport = 53' | awk '{ print $4 }'"]);
    expect(stdout.trim()).toBe(`${gateway(network, { index: 0 })}:53`);
  });
});

describe('the mesh', () => {
  it('is the only way to a port that is not published', async () => {
    for (const [from, to] of pairs()) {
      const outside = hosts[to]!.address;
      const open = async (host: string, port: number) =>
        (await exec(hosts[from]!.name, ['bash', '-c', tcp(host, port)])).exitCode === 0;
      expect(await open(outside, 4567), `vm${from} to ${outside}:4567`).toBe(true);
      expect(await open(outside, 27017), `vm${from} to ${outside}:27017`).toBe(false);
      expect(await open(addressOf(to), 27017), `vm${from} to ${addressOf(to)}:27017`).toBe(true);
    }
    for (const { sshAddress } of hosts) expect(await isOpen(sshAddress, 27017)).toBe(false);
  });

  it('keeps private keys to the hosts that made them', async () => {
    const keys = await Promise.all(
      hosts.map(async ({ name }) =>
        (await exec(name, ['stat', '-c', '%a %U', '/etc/wireguard/fw0.key'])).stdout.trim(),
      ),
    );
    expect(keys).toEqual(hosts.map(() => '600 root'));
    const { stdout } = await exec(hosts[0]!.name, ['cat', '/etc/wireguard/fw0.conf']);
    expect(stdout).not.toContain('PrivateKey');
  });

  it('is back after a reboot, and so are names and rules', { timeout: 300_000 }, async () => {
    const last = hosts.length - 1;
    await reboot(hosts[last]!.name);
    const reached = await within(180_000, async () => (await inside(0, tcp(nameOf(last), 27017))).exitCode === 0);
    expect(reached, `${nameOf(last)} answers through the mesh`).toBe(true);
    expect(
      (await exec(hosts[last]!.name, ['ping', '-c', '1', '-W', '3', meshAddress(network, { index: 0 })])).exitCode,
    ).toBe(0);
    expect((await inside(last, tcp(nameOf(0), 27017))).exitCode).toBe(0);
    expect((await asking(last, nameOf(0), 1))[0]).toEqual([addressOf(0)]);
    expect(await isOpen(hosts[last]!.sshAddress, 27017)).toBe(false);
    const failed = await exec(hosts[last]!.name, ['systemctl', '--failed', '--no-legend', '--plain']);
    expect(failed.stdout.trim()).toBe('');
  });
});

const nameOf = (index: number) => `node${index}.${network.domain}`;
const addressOf = (index: number) => address(network, { index }, SLOTS.mongodb);

/** Every host with every other. */
function pairs(): readonly (readonly [number, number])[] {
  return hosts.flatMap((_, from) => hosts.flatMap((__, to) => (from === to ? [] : [[from, to] as const])));
}

/** Runs a line of bash in the MongoDB container of a host. */
function inside(index: number, line: string) {
  return exec(hosts[index]!.name, ['docker', 'exec', `node${index}`, 'bash', '-c', line]);
}

/** A line of bash that ends with 0 if the port can be connected to. */
const tcp = (host: string, port: number) => `timeout 5 bash -c '< /dev/tcp/${host}/${port}' 2> /dev/null`;

/** Addresses of a name in the order of each answer, from the name server of a host. */
async function asking(index: number, name: string, times: number): Promise<readonly (readonly string[])[]> {
  const one = `host -t A ${name} ${gateway(network, { index })} | awk '/has address/ { printf "%s ", $4 } END { print "" }'`;
  const { stdout } = await exec(hosts[index]!.name, ['sh', '-c', `for n in $(seq ${times}); do ${one}; done`]);
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(' '));
}

const addressesIn = (output: string) =>
  [...new Set(output.split('\n').flatMap((line) => line.split(' ')[0] || []))].toSorted();

/** From this machine. */
function isOpen(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port, timeout: 3_000 });
  return new Promise((resolve) => {
    const end = (open: boolean) => {
      socket.destroy();
      resolve(open);
    };
    socket.on('connect', () => end(true));
    socket.on('error', () => end(false));
    socket.on('timeout', () => end(false));
  });
}

async function within(ms: number, holds: () => Promise<boolean>): Promise<boolean> {
  for (const end = Date.now() + ms; Date.now() < end; await sleep(2_000)) if (await holds()) return true;
  return false;
}
