import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine } from './engine.ts';
import { gatewayOf } from './names.ts';
import type { LabState } from './state.ts';

const DEVICE = 'wan0';
const TABLE = '100';
const PRIORITY = '1000';
const NETEM_QUEUE = '100000'; // packets; its default of 1000 loses packets of a fast transfer at 20 ms

/**
 * Gives the lines between the data centers the state's delay and loss. The kernel does it where it has netem;
 * elsewhere traffic takes a detour through a small program in the gateway, which costs some bandwidth.
 */
export async function applyLine(engine: Engine, state: LabState): Promise<void> {
  const gateway = gatewayOf(state.id);
  const ip = (...argv: string[]) => engine.docker(['exec', gateway, 'ip', ...argv]);
  const legs = await gatewayLegs(engine, state.id);
  if (await applyNetem(engine, state, legs)) return;

  await engine.docker(['exec', gateway, 'sh', '-c', 'test ! -e /run/wan.pid || kill "$(cat /run/wan.pid)" || true']);
  const rules = await ip('rule', 'show', 'priority', PRIORITY);
  if (state.delayMs === 0 && state.lossPercent === 0) {
    for (const _ of rules.split('\n').filter(Boolean)) await ip('rule', 'del', 'priority', PRIORITY);
    return;
  }
  await relayIsGone(engine, gateway);
  const relay = ['python3', '/etc/lab/wan.py', DEVICE, String(state.delayMs), String(state.lossPercent)];
  await engine.docker(['exec', '--detach', gateway, ...relay]);
  await engine.docker(['exec', gateway, 'sh', '-c', `until test -e /sys/class/net/${DEVICE}; do sleep 0.05; done`], {
    timeoutMs: 10_000,
  });
  await ip('link', 'set', DEVICE, 'up', 'mtu', '9000', 'txqueuelen', '20000');
  await ip('route', 'replace', 'default', 'dev', DEVICE, 'table', TABLE);
  for (const leg of legs) {
    if (rules.includes(`iif ${leg} `)) continue;
    await ip('rule', 'add', 'iif', leg, 'lookup', TABLE, 'priority', PRIORITY);
  }
}

async function applyNetem(engine: Engine, state: LabState, legs: readonly string[]): Promise<boolean> {
  for (const leg of legs) {
    const { exitCode } = await engine.attempt([
      'exec',
      gatewayOf(state.id),
      'tc',
      'qdisc',
      'replace',
      'dev',
      leg,
      'root',
      'netem',
      'limit',
      NETEM_QUEUE,
      'delay',
      `${state.delayMs}ms`,
      'loss',
      `${state.lossPercent}%`,
    ]);
    if (exitCode !== 0) return false;
  }
  return true;
}

async function relayIsGone(engine: Engine, gateway: string): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const there = await engine.attempt(['exec', gateway, 'test', '-e', `/sys/class/net/${DEVICE}`]);
    if (there.exitCode !== 0) return;
    await sleep(20);
  }
}

async function gatewayLegs(engine: Engine, id: string): Promise<string[]> {
  const names = await engine.docker(['exec', gatewayOf(id), 'ls', '/sys/class/net']);
  return names.split('\n').filter((name) => /^eth\d+$/.test(name));
}
