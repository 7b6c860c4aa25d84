import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { type At, type Run, teach, writeJson } from '../command.ts';
import { down } from '../dev/embedded.ts';
import { EXIT } from '../errors.ts';
import { table } from '../format.ts';
import { labCluster } from '../lab-cluster.ts';
import { waiting } from '../waiting.ts';
import { applyCluster } from './apply.ts';
import { bringUp, takeDown } from './lab.ts';

/** Everything that a demo leaves on this machine, but for the lab and caches. Tests have one of their own. */
const folder = resolve(process.env.FARWEAVE_DEMO ?? join(import.meta.dirname, '../../../.farweave/demo'));
const file = join(folder, 'cluster.yaml');
/** The article's. */
const ADMIN_PASSWORD = 'password';
/** Beside the cluster file, so that commands with `-f` find it. */
const state = join(folder, '.farweave');

export function addDemo(program: Command, run: Run): void {
  const demo = program
    .command('demo')
    .summary('everything at once: lab, server, rollout')
    .description(
      "What make demo runs: three hosts in three data centers, an embedded Temporal server, and the article's cluster rolled " +
        'out onto them: an encrypted mesh, a MongoDB replica set, and NodeBB on every host. Everything stays up.',
    );
  teach(demo, [
    ['farweave demo up', 'again: 0 changed'],
    ['farweave demo down', 'leaves nothing behind but caches'],
  ]);
  demo.command('up').summary('bring it up').description('Brings everything up.').action(run(demoUp));
  demo.command('down').summary('take it away').description('Takes everything away.').action(run(demoDown));
}

async function demoUp(at: At): Promise<number> {
  const lab = await bringUp(at);
  mkdirSync(state, { recursive: true, mode: 0o700 });
  writeFileSync(join(folder, 'password'), 'vagrant\n', { mode: 0o600 });
  writeFileSync(join(folder, 'admin-password'), `${ADMIN_PASSWORD}\n`, { mode: 0o600 });
  const secrets = { password: '{ file: password }', adminPassword: '{ file: admin-password }' };
  writeFileSync(file, labCluster(lab, { name: 'forum', secrets }));
  const exitCode = await applyCluster(inDemo(at), { yes: true });
  if (exitCode === EXIT.ok && !at.global.json) at.io.out.write(`${next(at).join('\n')}\n`);
  return exitCode;
}

async function demoDown(at: At): Promise<number> {
  await waiting(at.io, 'Ending the embedded Temporal server', (progress) => down(state, progress));
  await takeDown(at);
  rmSync(folder, { recursive: true, force: true });
  const above = dirname(folder);
  if (existsSync(above) && readdirSync(above).length === 0) rmdirSync(above);
  if (at.global.json) writeJson(at, { down: true });
  else at.io.out.write('The demo is gone. Caches stay.\n');
  return EXIT.ok;
}

/** As if it had been called with `-f`. */
function inDemo({ io, global, self }: At): At {
  const shown = shownFile(io.cwd);
  return { io, global: { ...global, file: shown, state }, self: `${self} -f ${shown}` };
}

const shownFile = (cwd: string) => relative(cwd, file) || file;

function next({ io, self }: At): readonly string[] {
  const here = `${self} -f ${shownFile(io.cwd)}`;
  return [
    '',
    `Login   admin / ${ADMIN_PASSWORD}`,
    '',
    'Try',
    ...table([
      [`  ${here} verify`, 'prove it once more'],
      [`  ${here} plan --check`, 'what differs, host by host'],
      [`  ${self} lab kill vm1`, `power cut; then: ${self} lab start vm1`],
      [`  ${self} lab ssh vm0`, 'look around: sudo docker ps, sudo wg'],
      [`  ${self} demo down`, 'take everything away'],
    ]),
  ];
}
