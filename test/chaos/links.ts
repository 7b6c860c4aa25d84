import { setTimeout as sleep } from 'node:timers/promises';
import { CONTROLLER, heal, partition } from '../../src/lab/index.ts';
import { sh } from './grounds.ts';
import type { Row } from './row.ts';
import type { Scene, UnderWay } from './scene.ts';

/** The way to the hosts goes away. */

/** Ends every SSH session of a host, as a broken line would, without a word. */
const DROP = "for pid in $(pgrep -f '^sshd[-a-z]*: vagrant'); do kill -KILL $pid || :; done";

export const dropLinks = (hosts: readonly string[]) => Promise.all(hosts.map((host) => sh(host, DROP)));
export const restartSshd = (hosts: readonly string[]) =>
  Promise.all(hosts.map((host) => sh(host, `systemctl restart ssh; ${DROP}`)));

export const linksDropped: Row = {
  name: 'links-dropped',
  fault: 'drop all SSH connections, five times',
  wanted: 'done',
  run: async (scene) => {
    const rollout = await scene.changing({ seconds: 30 });
    await scene.untilSlow(rollout);
    await repeatedly(scene, rollout, 5, () => dropLinks(scene.grounds.hosts));
  },
};

export const sshdRestarted: Row = {
  name: 'sshd-restarted',
  fault: 'restart sshd on all hosts, its sessions with it, three times; once it stays away for ten seconds',
  wanted: 'done',
  run: async (scene) => {
    const { hosts } = scene.grounds;
    scene.afterwards(() => Promise.all(hosts.map((host) => sh(host, 'systemctl start ssh'))));
    const rollout = await scene.changing({ seconds: 40 });
    await scene.untilSlow(rollout);
    await repeatedly(scene, rollout, 3, async (n) => {
      if (n !== 1) return void (await restartSshd(hosts));
      await Promise.all(hosts.map((host) => sh(host, `systemctl stop ssh.socket ssh 2>/dev/null; ${DROP}`)));
      await sleep(10_000);
      await Promise.all(hosts.map((host) => sh(host, 'systemctl start ssh')));
    });
  },
};

async function repeatedly(scene: Scene, rollout: UnderWay, times: number, harm: (n: number) => Promise<unknown>) {
  for (let n = 0; n < times && !rollout.isOver(); n++) {
    const at = Date.now();
    await harm(n);
    await scene.fault(rollout, at);
  }
  const { exitCode, output } = await scene.end(rollout);
  scene.wants(exitCode === 0, 'done', output);
  scene.wants(scene.faults === times, `${times} faults under the rollout`, `${scene.faults}`);
}

export const siteCutOff: Row = {
  name: 'site-cut-off',
  fault: 'cut a data center off from the others and from the workers for two minutes',
  wanted: 'done, by itself or by `farweave resume` once the line is back',
  run: async (scene) => {
    scene.afterwards(heal);
    const [, host] = scene.grounds.lab.hosts;
    const rollout = await scene.changing({ seconds: 30 });
    await scene.untilSlow(rollout);
    await partition(host!.site);
    await partition(host!.site, CONTROLLER);
    await sleep(120_000);
    await heal();
    const healed = Date.now();
    const progress = scene.fault(rollout, healed, host!.name);
    await finished(scene, rollout);
    await progress;
  },
};

/** To its end; where it waits for somebody to decide, it is told to go on. */
export async function finished(scene: Scene, rollout: UnderWay): Promise<void> {
  const { exitCode, output } = await scene.end(rollout);
  if (exitCode === 0) return;
  scene.wants(output.includes('is paused'), 'done, or paused on the failure', output);
  await resumed(scene, rollout);
}

/** Goes on with a rollout that is paused on a failure, to its end. */
export async function resumed(scene: Scene, { revision }: UnderWay): Promise<void> {
  await scene.log('resume');
  await scene.farweave('resume');
  await sleep(2_000);
  const { exitCode, output } = await scene.farweave('watch', String(revision));
  scene.wants(exitCode === 0, 'done after resume', output);
}
