import { exec } from '../../src/lab/index.ts';
import { breakApt, mendApt, PACKAGE, runningJobs, slow, traces } from './grounds.ts';
import { resumed } from './links.ts';
import type { Row } from './row.ts';
import type { Scene } from './scene.ts';

/** Somebody, or the policy, decides what becomes of a rollout that cannot or must not go on. */

export const cancelled: Row = {
  name: 'cancelled',
  fault: 'cancel half-way, and leave things as they are',
  wanted: 'cancelled, what ran on the hosts ended; another apply is done',
  costly: true,
  run: async (scene) => {
    const rollout = await scene.changing({ seconds: 120 });
    await scene.untilSlow(rollout);
    scene.faults++;
    await scene.farweave('cancel');
    const { exitCode, output } = await scene.end(rollout);
    scene.wants(exitCode === 1 && /cancelled/.test(output), 'cancelled', output);
    const left = await runningJobs(scene.grounds);
    scene.wants(left.length === 0, 'no job of it on any host', left.join(', '));
    scene.wants((await having(scene)).length === 0, 'no package installed', (await having(scene)).join(', '));
    await slow(scene.grounds.hosts, 0);
    const again = await scene.farweave('apply', '--yes');
    scene.wants(again.exitCode === 0, 'done', again.output);
  },
};

export const cancelledAndUndone: Row = {
  name: 'cancelled-undone',
  fault: 'cancel half-way, and have it taken back',
  wanted: 'undone, every host as it was before',
  costly: true,
  run: async (scene) => {
    await scene.prepare({ seconds: 30, disturbs: true });
    const before = await traces(scene.grounds);
    const rollout = await scene.apply();
    await scene.untilSlow(rollout, 'one');
    scene.faults++;
    await scene.farweave('cancel', '--undo');
    const { output } = await scene.end(rollout);
    await asBefore(scene, before, output);
  },
};

const broken = async (scene: Scene): Promise<string> => {
  const host = scene.grounds.hosts[1]!;
  scene.afterwards(() => mendApt(host));
  await breakApt(host);
  scene.faults++;
  return host;
};

export const failedPause: Row = {
  name: 'failed-pause',
  fault: 'fail a step for good on one host, with `onFailure: pause`',
  wanted: 'paused with the failure told; done after it was mended and `farweave resume`',
  costly: true,
  run: async (scene) => {
    const host = await broken(scene);
    const rollout = await scene.changing({ seconds: 5 });
    const { exitCode, output } = await scene.end(rollout);
    scene.wants(exitCode === 1 && output.includes('is paused'), 'paused', output);
    scene.wants(output.includes('broken on purpose') && output.includes(host), 'the failure told', output);
    await mendApt(host);
    await resumed(scene, rollout);
    scene.wants((await having(scene)).length === 3, 'the package on all hosts', (await having(scene)).join(', '));
  },
};

export const failedRollback: Row = {
  name: 'failed-rollback',
  fault: 'fail a step for good on one host, with `onFailure: rollback`',
  wanted: 'undone, every host as it was before',
  costly: true,
  run: async (scene) => {
    await broken(scene);
    await scene.prepare({ onFailure: 'rollback', seconds: 5, disturbs: true });
    const before = await traces(scene.grounds);
    const { output } = await scene.end(await scene.apply());
    await asBefore(scene, before, output);
  },
};

export const failedContinue: Row = {
  name: 'failed-continue',
  fault: 'fail a step for good on one host, with `onFailure: continue` and a budget of one host',
  wanted: 'done with that host parked; another apply, once it was mended, brings it along',
  costly: true,
  run: async (scene) => {
    const host = await broken(scene);
    const rollout = await scene.changing({ onFailure: 'continue', budget: 1, seconds: 5 });
    const { exitCode, output } = await scene.end(rollout);
    scene.wants(exitCode === 0 && /1 (host )?parked/.test(output), 'done, 1 parked', output);
    const others = scene.grounds.hosts.filter((other) => other !== host);
    scene.wants(
      (await having(scene)).join() === others.join(),
      `the package on ${others.join()}`,
      (await having(scene)).join(),
    );
    await mendApt(host);
    const again = await scene.farweave('apply', '--yes');
    scene.wants(again.exitCode === 0, 'done', again.output);
    scene.wants((await having(scene)).length === 3, 'the package on all hosts', (await having(scene)).join(', '));
  },
};

async function asBefore(scene: Scene, before: readonly string[], output: string): Promise<void> {
  scene.wants(/^undone: /m.test(output) && !output.includes('not taken back'), 'undone', output);
  const left = await runningJobs(scene.grounds);
  scene.wants(left.length === 0, 'no job of it on any host', left.join(', '));
  const after = await traces(scene.grounds);
  scene.wants(after.join() === before.join(), 'every host as it was', after.join('\n--\n'));
}

/** Hosts that have the package. */
async function having({ grounds: { hosts } }: Scene): Promise<readonly string[]> {
  const asked = hosts.map(async (host) => (await exec(host, ['dpkg-query', '-W', PACKAGE])).exitCode === 0);
  const there = await Promise.all(asked);
  return hosts.filter((_, n) => there[n]);
}
