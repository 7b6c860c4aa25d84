import { running } from './grounds.ts';
import { dropLinks, restartSshd } from './links.ts';
import type { Row } from './row.ts';
import { killing } from './workers.ts';

/** All that can be taken away from one rollout in a minute or two. */
export const everything: Row = {
  name: 'short',
  fault: 'kill -9 the worker three times, then the server, drop all SSH connections, restart sshd',
  wanted: 'done',
  run: async (scene) => {
    const { hosts } = scene.grounds;
    const rollout = await scene.changing({ seconds: 60, disturbs: true });
    await scene.untilSlow(rollout);
    await dropLinks(hosts);
    await scene.fault(rollout, Date.now());
    await restartSshd(hosts);
    await scene.fault(rollout, Date.now());
    const { server } = running(scene.grounds);
    scene.wants(server !== undefined, 'a server to kill', 'none');
    if (server !== undefined) {
      process.kill(server, 'SIGKILL');
      await scene.fault(rollout, await scene.another('server', server));
    }
    await killing(scene, rollout, scene.faults + 3);
    const { exitCode, output } = await scene.end(rollout);
    scene.wants(exitCode === 0, 'done', output);
    scene.wants(scene.faults >= 5, 'at least 5 faults under the rollout', `${scene.faults}`);
  },
};
