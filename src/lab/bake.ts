import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine } from './engine.ts';
import { type BuildOrder, dockerBuild } from './image-cache.ts';
import { labelOf } from './names.ts';
import { labId } from './place.ts';
import type { Progress } from './progress.ts';

/**
 * Builds NodeBB's image with its finished assets (scripts, styles, templates) in it. It makes them while it is set up,
 * which takes a database: here one that lives as long as that takes. Without this, a host that did not run the set-up
 * itself would serve pages without scripts and styles.
 */
export async function buildWithAssets(
  engine: Engine,
  order: BuildOrder,
  mongo: string,
  detail: Progress,
): Promise<void> {
  const key = order.tag.split(':')[1] ?? '';
  const [database, nodebb, raw] = [`farweave-bake-${key}-db`, `farweave-bake-${key}`, `${order.tag}-raw`];
  // So that `lab down` finds what an interrupt has left.
  const label = `--label=${labelOf(labId)}`;
  const assets = join(order.folder, 'assets');
  mkdirSync(assets);
  await remove();
  try {
    await dockerBuild(engine, { ...order, tag: raw }, detail);
    detail('starting a database for NodeBB');
    await engine.docker(['run', '--detach', label, `--name=${database}`, '--network=none', mongo]);
    await waitForDatabase(engine, database);
    await engine.docker(
      [
        'run',
        label,
        `--name=${nodebb}`,
        `--network=container:${database}`,
        '--entrypoint=node',
        raw,
        'app',
        `--setup=${JSON.stringify(setup)}`,
        '--ci=',
      ],
      { onLine: detail },
    );
    await engine.docker(['cp', `${nodebb}:/usr/src/app/public/.`, assets]);
    renameSync(join(order.folder, 'assets.Dockerfile'), join(assets, 'Dockerfile'));
    await dockerBuild(engine, { tag: order.tag, base: raw, folder: assets }, detail);
  } finally {
    await remove();
    await engine.attempt(['image', 'rm', raw]); // its layers stay: they are the finished image's too
  }

  async function remove(): Promise<void> {
    await engine.attempt(['rm', '--force', '--volumes', database, nodebb]);
  }
}

const setup = {
  url: 'http://127.0.0.1:4567',
  secret: 'baking',
  database: 'mongo',
  'mongo:host': '127.0.0.1',
  'mongo:port': '27017',
  'mongo:username': '',
  'mongo:password': '',
  'mongo:database': 'nodebb',
  'admin:username': 'admin',
  'admin:email': 'admin@example.org',
  'admin:password': 'password',
  'admin:password:confirm': 'password',
};

async function waitForDatabase(engine: Engine, container: string): Promise<void> {
  const ping = ['exec', container, 'mongosh', '--quiet', '--eval', 'db.runCommand({ping: 1}).ok'];
  for (let tries = 0; tries < 30; tries++) {
    if ((await engine.attempt(ping)).stdout.trim() === '1') return;
    await sleep(500);
  }
}
