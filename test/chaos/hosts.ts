import { setTimeout as sleep } from 'node:timers/promises';
import { exec, kill, reboot, start } from '../../src/lab/index.ts';
import { KEPT_KEY, restoreHostKey, sh } from './grounds.ts';
import { finished, resumed } from './links.ts';
import type { Row } from './row.ts';
import type { Scene } from './scene.ts';

/** A host goes away under a rollout, or what it works with does. */

export const hostRebooted: Row = {
  name: 'host-rebooted',
  fault: 'reboot a host in the middle of a step',
  wanted: 'done, the step that was lost with the host done again',
  costly: true,
  run: async (scene) => {
    const host = scene.grounds.hosts[1]!;
    const rollout = await scene.changing();
    await scene.untilSlow(rollout);
    await reboot(host);
    const progress = scene.fault(rollout, Date.now(), host);
    await finished(scene, rollout);
    await progress;
  },
};

export const primaryPowerCut: Row = {
  name: 'primary-power-cut',
  fault: "cut the power of the replica set's primary in the middle of a step, for half a minute",
  wanted: 'done, by itself or by `farweave resume`',
  costly: true,
  run: async (scene) => {
    const host = await primary(scene);
    scene.afterwards(() => start(host));
    const rollout = await scene.changing({ disturbs: true });
    await scene.untilSlow(rollout, 'one');
    await kill(host);
    await sleep(30_000);
    await start(host);
    const progress = scene.fault(rollout, Date.now(), host);
    await finished(scene, rollout);
    await progress;
  },
};

/** The host of the member that takes writes. Members are numbered as the hosts are. */
async function primary({ grounds: { hosts } }: Scene): Promise<string> {
  const asked = hosts.map(async (host, n) => {
    const look = ['docker', 'exec', `node${n}`, 'mongosh', '--quiet', '--eval', 'print(db.hello().isWritablePrimary)'];
    return (await exec(host, look)).stdout.trim() === 'true';
  });
  const place = (await Promise.all(asked)).indexOf(true);
  if (place < 0) throw new Error('The replica set has no primary.');
  return hosts[place]!;
}

const CACHE = '/var/cache/apt';
const JOBS = '/var/lib/farweave/jobs';

export const diskFull: Row = {
  name: 'disk-full',
  fault: 'fill the disk under the package manager of one host, and under the notes of jobs of another',
  wanted: 'paused with a message that says so; done after room was made and `farweave resume`',
  costly: true,
  run: async (scene) => {
    const [one, , other] = scene.grounds.hosts;
    const empty = async () => {
      await sh(one!, `! mountpoint -q ${CACHE} || umount -l ${CACHE}`);
      await sh(other!, `! mountpoint -q ${JOBS} || umount -l ${JOBS}`);
    };
    scene.afterwards(empty);
    const rollout = await scene.changing();
    await scene.untilSlow(rollout);
    // Small file systems of their own: to fill the real ones would fill the machine that the lab runs on.
    const full = (folder: string) =>
      `mount -t tmpfs -o size=64k chaos ${folder} && mkdir -p ${folder}/archives/partial && ! head -c 100000 /dev/zero 2>/dev/null >${folder}/filler`;
    await sh(one!, full(CACHE));
    await sh(other!, full(JOBS));
    const { exitCode, output } = await scene.end(rollout);
    scene.wants(exitCode === 1 && output.includes('is paused'), 'paused', output);
    scene.wants(/MiB are free|[Rr]oom|[Ss]pace/.test(output), 'a message that tells of the disk', output);
    await empty();
    const progress = scene.fault(rollout, Date.now());
    await resumed(scene, rollout);
    await progress;
  },
};

export const dpkgLocked: Row = {
  name: 'dpkg-locked',
  fault: "hold dpkg's lock on a host for a minute",
  wanted: 'done, after waiting',
  run: async (scene) => {
    const host = scene.grounds.hosts[1]!;
    const hold = `use Fcntl; open my $f, "+<", "/var/lib/dpkg/lock-frontend"; my $l = pack "s s x4 q q i x4", F_WRLCK, 0, 0, 0, 0; fcntl $f, F_SETLKW, $l or die; sleep 60`;
    scene.afterwards(() => sh(host, 'systemctl stop chaos-lock.service 2>/dev/null || :'));
    const rollout = await scene.changing({ seconds: 15 });
    await scene.untilSlow(rollout);
    const { exitCode, stderr } = await exec(host, [
      'systemd-run',
      '-q',
      '--collect',
      '--unit=chaos-lock',
      'perl',
      '-e',
      hold,
    ]);
    if (exitCode !== 0) throw new Error(`${host}: ${stderr}`);
    const locked = Date.now();
    await scene.until(
      async () => (await exec(host, ['systemctl', 'is-active', '-q', 'chaos-lock.service'])).exitCode !== 0,
      'the lock is let go',
    );
    scene.wants(Date.now() - locked > 50_000, 'the lock held for a minute', `${Date.now() - locked} ms`);
    scene.wants(!rollout.isOver(), 'a rollout that waits', 'one that has ended');
    const progress = scene.fault(rollout, Date.now(), host);
    const ran = await scene.end(rollout);
    scene.wants(ran.exitCode === 0, 'done', ran.output);
    await progress;
  },
};

/** The only key that is asked for. */
const KEY = '/etc/ssh/ssh_host_ed25519_key';

export const hostKeyChanged: Row = {
  name: 'host-key-changed',
  fault: 'change the host key of a host in the middle of a step',
  wanted: 'done with that host parked; after `farweave hostkeys accept` an apply brings it to the same state',
  run: async (scene) => {
    const host = scene.grounds.hosts[1]!;
    const rollout = await scene.changing({ budget: 1 });
    await scene.untilSlow(rollout);
    await sh(host, `cp -a ${KEY} ${KEPT_KEY} && cp -a ${KEY}.pub ${KEPT_KEY}.pub`);
    scene.afterwards(() => restoreHostKey(host));
    await sh(host, `rm ${KEY} && ssh-keygen -q -t ed25519 -N '' -f ${KEY} && systemctl restart ssh`);
    await sh(host, "for pid in $(pgrep -f '^sshd[-a-z]*: vagrant'); do kill -KILL $pid || :; done");
    const { exitCode, output } = await scene.end(rollout);
    scene.wants(exitCode === 0 && /1 (host )?parked/.test(output), 'done, 1 parked', output);
    scene.wants(output.includes('host key'), 'a message that tells of the host key', output);
    scene.faults++;
    const accepted = await scene.farweave('hostkeys', 'accept', host, '--yes');
    scene.wants(accepted.exitCode === 0, 'the new key accepted', accepted.output);
    await sh(host, `rm -f ${KEPT_KEY} ${KEPT_KEY}.pub`);
    const again = await scene.farweave('apply', '--yes');
    scene.wants(again.exitCode === 0 && !again.output.includes('parked'), 'done on all hosts', again.output);
  },
};
