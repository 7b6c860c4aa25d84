import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  delay,
  exec,
  heal,
  kill,
  type Lab,
  LabError,
  type LabHost,
  partition,
  reboot,
  sniff,
  start,
  status,
  up,
} from '../../src/lab/index.ts';

const quiet = { progress: () => undefined };

let lab: Lab;
let near: LabHost;
let far: LabHost;

beforeAll(async () => {
  lab = await up(quiet);
  const [first, ...others] = lab.hosts;
  const other = others.find((host) => host.site !== first?.site);
  if (!first || !other) throw new Error('the lab should have hosts in two data centers');
  near = first;
  far = other;
});

describe('the lab', () => {
  it('changes nothing when it is brought up a second time, and takes seconds for it', async () => {
    const before = await containers();
    const started = Date.now();
    expect(await up(quiet)).toEqual(lab);
    expect(await containers()).toEqual(before);
    expect(Date.now() - started).toBeLessThan(30_000);
  });

  it('has hosts that are machines of their own: machine-id, host key, systemd without a failed unit', async () => {
    const machines = await Promise.all(lab.hosts.map((host) => output(host, 'cat', '/etc/machine-id')));
    expect(new Set(machines).size).toBe(lab.hosts.length);
    expect(machines.every((id) => /^[0-9a-f]{32}$/.test(id))).toBe(true);
    expect(new Set(lab.hosts.map((host) => host.hostKey)).size).toBe(lab.hosts.length);
    expect(
      await Promise.all(lab.hosts.map((host) => output(host, 'systemctl', 'is-system-running', '--wait'))),
    ).toEqual(lab.hosts.map(() => 'running'));
  });

  it('answers on the SSH port of every host', async () => {
    expect(await Promise.all(lab.hosts.map((host) => greeting(host)))).toEqual(
      lab.hosts.map(() => expect.stringMatching(/^SSH-2\.0-OpenSSH/)),
    );
  });

  it('lets the user become root with the password and not without it', async () => {
    const sudo = (stdin: string) => exec(near.name, ['su', 'vagrant', '-c', 'sudo -S -p "" id -u'], { stdin });
    expect(await sudo(`${near.password}\n`)).toMatchObject({ exitCode: 0, stdout: '0\n' });
    expect((await sudo('wrong\n')).exitCode).not.toBe(0);
  });

  it('serves both images, within reach of the hosts', async () => {
    const manifest = async (image: string) => {
      const [, name, tag] = /^[^/]+\/(.*):(.*)$/.exec(image) ?? [];
      return (await fetch(`http://${lab.registry}/v2/${name}/manifests/${tag}`)).status;
    };
    expect(await manifest(lab.images.mongodb)).toBe(200);
    expect(await manifest(lab.images.nodebb)).toBe(200);
    const [address = '', port = ''] = lab.registry.split(':');
    const dial = await exec(far.name, ['bash', '-c', `exec 3<>/dev/tcp/${address}/${port}`]);
    expect(dial.exitCode).toBe(0);
  });
});

describe('the network between data centers', () => {
  afterEach(async () => {
    await heal();
    await delay(lab.delayMs);
  });

  it('delays by 20 ms each way, and by as much as one asks', async () => {
    expect(await roundTrip()).toBeGreaterThan(39);
    expect(await roundTrip()).toBeLessThan(70);
    await delay(50);
    expect(await roundTrip()).toBeGreaterThan(99);
    await delay(0);
    expect(await roundTrip()).toBeLessThan(20);
  });

  it('shows hosts each other’s own addresses: nothing is masqueraded on the way', async () => {
    const connection = exec(near.name, ['bash', '-c', `exec 3<>/dev/tcp/${far.address}/22; sleep 2`]);
    await sleep(1_000);
    expect(await output(far, 'ss', '-tnH', 'state', 'established', 'sport', '=', ':22')).toContain(near.address);
    await connection;
  });

  it('stops silently at a partition and goes on when it is healed', async () => {
    await partition(near.site, far.site);
    expect(await reaches(near, far)).toBe(false);
    expect(await greeting(far)).toMatch(/^SSH-/); // this machine still reaches both
    expect((await status())?.partitions).toEqual([[near.site, far.site]]);
    await heal();
    expect(await reaches(near, far)).toBe(true);
  });

  it('cuts a single host off from all others', async () => {
    await partition(near.name);
    for (const other of lab.hosts.filter((host) => host.name !== near.name)) {
      expect(await reaches(near, other)).toBe(false);
    }
    expect(await greeting(near)).toMatch(/^SSH-/);
  });

  it('cuts this machine off from a host that the others still reach', async () => {
    await partition('controller', far.name);
    expect(await greeting(far)).toBe('');
    expect(await reaches(near, far)).toBe(true);
    await heal();
    expect(await greeting(far)).toMatch(/^SSH-/);
  });

  it('is seen by a capture: plain text between data centers is found', async () => {
    const marker = 'plain-text-that-anyone-can-read';
    const say = `exec 3<>/dev/tcp/${far.address}/22; echo ${marker} >&3; sleep 0.5`;
    const seen = await sniff({ marker, seconds: 1, during: () => exec(near.name, ['bash', '-c', say]) });
    expect(seen.hits).toBe(1);
    const unseen = await sniff({
      marker: 'never-said',
      seconds: 1,
      during: () => exec(near.name, ['bash', '-c', say]),
    });
    expect(unseen.packets).toBeGreaterThan(0);
    expect(unseen.hits).toBe(0);
  });
});

describe('the power of a host', () => {
  it('comes back after a power cut with the same key, address and files', async () => {
    await exec(far.name, ['sh', '-c', 'echo kept > /var/tmp/kept && sync']);
    await kill(far.name);
    expect(stateOf(await status(), far)).toBe('stopped');
    expect(await greeting(far)).toBe('');
    await start(far.name);
    expect((await status())?.hosts).toEqual(lab.hosts);
    expect(await output(far, 'cat', '/var/tmp/kept')).toBe('kept');
    expect(await greeting(far)).toMatch(/^SSH-/);
    expect(await reaches(near, far)).toBe(true);
  });

  it('restarts in order, and keeps what is cut cut', async () => {
    await partition(near.name, far.name);
    const before = await bootTime(far);
    await reboot(far.name);
    expect(await bootTime(far)).toBeGreaterThan(before);
    expect(await reaches(far, near)).toBe(false);
    await heal();
    expect(await reaches(far, near)).toBe(true);
  });

  it('says which hosts there are when a name is wrong', async () => {
    await expect(kill('vm99')).rejects.toThrow(LabError);
    await expect(kill('vm99')).rejects.toMatchObject({ hint: expect.stringContaining(near.name) });
  });
});

async function output(host: LabHost, ...argv: string[]): Promise<string> {
  return (await exec(host.name, argv)).stdout.trim();
}

async function containers(): Promise<string[]> {
  return Promise.all(lab.hosts.map((host) => output(host, 'stat', '-c', '%Y', '/proc/1')));
}

async function bootTime(host: LabHost): Promise<number> {
  return Number(await output(host, 'stat', '-c', '%Y', '/proc/1'));
}

async function reaches(from: LabHost, to: LabHost): Promise<boolean> {
  return (await exec(from.name, ['ping', '-c', '2', '-i', '0.2', '-W', '1', to.address])).exitCode === 0;
}

/** Milliseconds from near to far and back, the best of some. */
async function roundTrip(): Promise<number> {
  const text = await output(near, 'ping', '-c', '5', '-i', '0.2', far.address);
  return Number(/= ([\d.]+)\//.exec(text)?.[1] ?? Number.NaN);
}

function stateOf(now: Lab | undefined, host: LabHost): string | undefined {
  return now?.hosts.find(({ name }) => name === host.name)?.state;
}

/** The first line that the host's SSH port says, or '' when it says nothing within two seconds. */
async function greeting(host: LabHost): Promise<string> {
  const socket = connect({ host: host.sshAddress, port: host.port });
  const said = new Promise<string>((resolve) => {
    socket.once('data', (data) => resolve(data.toString().trim()));
    socket.once('error', () => resolve(''));
  });
  const line = await Promise.race([said, sleep(2_000, '')]);
  socket.destroy();
  return line;
}
