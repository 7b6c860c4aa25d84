import { setTimeout as sleep } from 'node:timers/promises';
import { running } from './grounds.ts';
import type { Row } from './row.ts';
import type { Scene, UnderWay } from './scene.ts';

/** Who runs rollouts goes away. */
const KILLS = 20;

export const workerKilled: Row = {
  name: 'worker-killed',
  tags: ['figures'],
  fault: 'kill -9 the only worker as soon as it has got somewhere, again and again, during a full rollout',
  wanted: `done, after at least ${KILLS} kills`,
  fresh: true,
  promptly: 15,
  limit: 35,
  run: async (scene) => {
    for (let rollout = await scene.apply(); ; rollout = await scene.changing({ disturbs: true })) {
      await killing(scene, rollout, KILLS);
      const { exitCode, output } = await scene.end(rollout);
      scene.wants(exitCode === 0, 'done', output);
      if (exitCode !== 0 || scene.faults >= KILLS) break;
    }
  },
};

/** Kills the worker whenever it has got somewhere, until that was often enough or the rollout has ended. */
export async function killing(scene: Scene, rollout: UnderWay, kills: number): Promise<void> {
  let from = Date.now();
  while (scene.faults < kills) {
    if (!(await rollout.pace.after(from, { limit: 240_000 }))) break;
    await sleep(scene.random() * 2_000);
    const { worker } = running(scene.grounds);
    if (rollout.isOver() || worker === undefined) break;
    process.kill(worker, 'SIGKILL');
    await scene.log(`kill ${scene.faults + 1}: worker ${worker}`);
    from = await scene.another('worker', worker);
    const moment = await scene.fault(rollout, from);
    if (!moment) break;
  }
}

export const workerStopped: Row = {
  name: 'worker-stopped',
  tags: ['figures'],
  fault: 'stop the only worker in order (SIGTERM), three times',
  wanted: 'done',
  promptly: 3,
  run: async (scene) => {
    const rollout = await scene.changing({ seconds: 60 });
    await scene.untilSlow(rollout);
    for (let n = 0; n < 3; n++) {
      const { worker } = running(scene.grounds);
      if (rollout.isOver() || worker === undefined) break;
      process.kill(worker, 'SIGTERM');
      await scene.fault(rollout, await scene.another('worker', worker));
    }
    const { exitCode, output } = await scene.end(rollout);
    scene.wants(exitCode === 0, 'done', output);
    scene.wants(scene.faults === 3, '3 workers stopped under the rollout', `${scene.faults}`);
  },
};

export const serverKilled: Row = {
  name: 'server-killed',
  fault: 'kill -9 the Temporal server, twice',
  wanted: 'done',
  run: async (scene) => {
    const rollout = await scene.changing({ seconds: 40 });
    await scene.untilSlow(rollout);
    for (let n = 0; n < 2; n++) {
      const { server } = running(scene.grounds);
      if (rollout.isOver() || server === undefined) break;
      const at = Date.now();
      process.kill(server, 'SIGKILL');
      await scene.another('server', server);
      await scene.fault(rollout, at);
    }
    const { exitCode, output } = await scene.end(rollout);
    scene.wants(exitCode === 0, 'done', output);
    scene.wants(scene.faults === 2, 'the server killed twice under the rollout', `${scene.faults}`);
  },
};
