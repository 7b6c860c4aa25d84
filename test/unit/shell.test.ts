import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { container } from '../../src/roles/container/index.ts';
import { dns } from '../../src/roles/dns/index.ts';
import { docker } from '../../src/roles/docker/index.ts';
import { tables } from '../../src/roles/operation.ts';
import type { Role } from '../../src/roles/role.ts';
import { script } from '../../src/roles/script/index.ts';
import { hostKeyStages } from '../../src/roles/system/host-key.ts';
import { system } from '../../src/roles/system/index.ts';
import { wireguard } from '../../src/roles/wireguard/index.ts';
import { commandsOf, contextOf, hostAt } from '../applied.ts';

const hosts = [hostAt(0), hostAt(1), hostAt(2, '2001:db8::12')];
const facts = { 'wireguard.publicKey': { vm0: 'k0=', vm1: 'k1=', vm2: 'k2=' } };
const records = hosts.map(({ index }) => ({ name: 'nodebb', address: `10.200.${index}.20` }));

const steps = [
  ...stepsOf(system, {}),
  ...stepsOf({ ...system, stages: (_, { on }) => hostKeyStages(on, 'farweave:demo:now') }, {}),
  ...stepsOf(docker, { source: 'docker' }),
  ...stepsOf(docker, {}),
  ...stepsOf(wireguard, {}),
  ...stepsOf(dns, {}),
  ...stepsOf(script, {
    it: { check: "test 'x'", apply: 'a; b', undo: 'c', env: { S: { env: 'S' } } },
    that: { check: 'c' },
  }),
  ...stepsOf(container, {
    plain: {
      image: 'x',
      env: { S: { env: 'S' }, T: "it's" },
      files: { '/etc/x': "a\n'b'" },
      volumes: { '/data': 'data' },
    },
    http: { image: 'x', health: { http: { port: 80, path: '/?a=b&c' } } },
    tcp: { image: 'x', health: { tcp: 80 } },
    command: { image: 'x', command: ['a', "b's"], health: { command: ['sh', '-c', 'a && b'] } },
  }),
];

test.each(steps)('$operation is a command that a POSIX shell can read', ({ commands }) => {
  for (const { text } of commands) {
    const { status, stderr } = spawnSync('sh', ['-n'], { input: text, encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(status).toBe(0);
  }
});

test.each(steps)('$operation says the same when asked twice', ({ commands, again }) => {
  expect(again()).toEqual(commands);
});

function stepsOf<Config>(role: Role<Config>, section: object) {
  const { config, context } = contextOf(
    role,
    section,
    hosts,
    [dns, container].includes(role as never) ? [docker as Role] : [],
    records,
  );
  return role.stages(config, context).map((stage) => {
    const operation = role.operations.find(({ name }) => name === stage.operation)!;
    const again = () => commandsOf(operation, hosts[0]!, stage.args, tables(operation, facts));
    return { operation: stage.operation, commands: again(), again };
  });
}
