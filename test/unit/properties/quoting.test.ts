import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { compilePlan } from '../../../src/plan/compile.ts';
import type { HostSpec, Plan } from '../../../src/plan/plan.ts';
import { roles } from '../../../src/roles/index.ts';
import { tables, undoing } from '../../../src/roles/operation.ts';
import type { Command } from '../../../src/ssh/command.ts';
import { inOrder } from '../../../src/ssh/lane.ts';
import { commandsOf } from '../../applied.ts';
import { CANARY, hostile, runs } from '../../properties/hostile.ts';
import { type Planted, planted } from '../../properties/slots.ts';
import { StubHost } from '../../properties/stub-host.ts';

const EXAMPLE = readFileSync(new URL('../../../cluster.example.yaml', import.meta.url), 'utf8');

const operations = new Map(roles.flatMap((role) => role.operations.map((operation) => [operation.name, operation])));

const host = new StubHost();
afterAll(() => host.remove());

interface Call {
  readonly operation: string;
  readonly commands: readonly Command[];
}

/** Everything that a plan would ever have a host run: questions, changes with their receipts, and the ways back. */
function callsOn(target: HostSpec, plan: Plan, found: string): readonly Call[] {
  const facts = { 'wireguard.publicKey': Object.fromEntries(plan.hosts.map(({ name }) => [name, 'k0='])) };
  const gates = plan.stages.flatMap((stage) => [stage.scope === 'host' ? undefined : stage.gate, stage.guard]);
  return [...plan.stages, ...gates.filter((gate) => gate !== undefined)].map(({ operation: name, args }): Call => {
    const operation = operations.get(name);
    if (!operation) throw new Error(`no role has ${name}`);
    const needed = tables(operation, facts);
    const commands = commandsOf(operation, target, args, needed);
    if (!('apply' in operation)) return { operation: name, commands };
    const verdict = { is: 'no', now: found, wanted: found } as const;
    const script = operation.apply(target, args, verdict, needed);
    const undo = undoing(operation, target, args);
    const change = { script, ...(undo && { undoing: { args: JSON.stringify(args), undo: 'x' } }) };
    const heard = { exitCode: 0, stdout: found, stderr: found };
    const guard = { probe: commands[0]!, heard };
    const step = { stage: `01-${name}`, generation: 1 };
    const jobs = [
      inOrder('run', 'ab'.repeat(16), [{ ...step, change }]),
      inOrder('run', 'ab'.repeat(16), [{ ...step, guard }]),
    ];
    return { operation: name, commands: [...commands, ...jobs] };
  });
}

/** In how many ways a value may rightly be written: for a program, in JSON, in a URL, in a name, or quoted once more for a shell. */
function forms(value: string): readonly string[] {
  const json = (text: string) => JSON.stringify(text).slice(1, -1);
  const quoted = (text: string) => text.replaceAll("'", `'\\''`);
  const inName = value.replaceAll(/[^\w.]+/g, '-');
  const inUrl = value.trim().replaceAll(/[\r\n\t]/g, '');
  const plain = [
    value,
    inUrl,
    ...[value, inUrl].flatMap((text) => [json(text), json(json(text))]),
    encodeURIComponent(value),
    inName,
  ];
  const all = [...plain, ...plain.map(quoted), ...plain.map(quoted).map(quoted)];
  return [...all, ...all.map((form) => host.placed(form))];
}

/** What of a value has arrived as something else. */
function torn(values: readonly Planted[], texts: readonly string[]): readonly string[] {
  return values.flatMap(({ at, token, value }) => {
    const all = forms(value);
    const wrong = texts.find((text) => text.includes(token) && !all.some((form) => text.includes(form)));
    return wrong === undefined
      ? []
      : [`${at} is ${JSON.stringify(value)}, and arrived as ${JSON.stringify(around(wrong, token))}`];
  });
}

const around = (text: string, token: string) =>
  text.slice(Math.max(0, text.indexOf(token) - 300), text.indexOf(token) + 300);

const SECRET = 'zqsecretqz';

/** Whatever else becomes of a spec, these must have been seen on the host, or nothing was looked at. */
const SEEN = {
  texts: [
    'metadata.name',
    'network.domain',
    'roles.system.packages[0]',
    'roles.docker.mirrors[0]',
    'roles.mongodb.replicaSet',
    'roles.mongodb.image',
    'roles.nodebb.database',
    'roles.nodebb.admin.username',
    'roles.container.web.command[0]',
    'roles.container.web.entrypoint',
    'roles.container.web.env.GREETING',
    'roles.container.web.files./etc/web/web.conf',
    'roles.container.web.flags[0]',
    'roles.container.web.health.http.path',
    'roles.container.queue.health.command[0]',
  ],
  keys: [
    'roles.docker.settings',
    'roles.container.web.env',
    'roles.container.web.files',
    'roles.container.web.volumes',
  ],
} as const;

test.each(['texts', 'keys'] as const)(
  'none of the %s of a spec is ever executed, split or changed on its way to a host, and no secret is an argument',
  { timeout: 600_000 },
  (what) => {
    const seen = new Set<string>();
    const property = (text: string, n: number) => {
      const { cluster, planted: values } = planted(EXAMPLE, text, what);
      const plan = compilePlan(cluster, { indexes: {} });
      const valueOf = (name: string) => (name.startsWith('fw_digest_') ? 'd1gest' : `${text}${SECRET}${text}`);
      for (const { operation, commands } of callsOn(plan.hosts[n]!, plan, text)) {
        for (const ending of [0, 1] as const) {
          const { words, texts, executed, stderr } = host.run(commands, valueOf, ending);
          const all = [...words, ...texts];
          const leaked = words.filter((word) => word.includes(SECRET));
          // Of a shell; programs may complain as they like.
          const broken = stderr
            .split('\n')
            .filter((line) => /^\S+: \d+: .*(?:syntax error|unterminated|: not found)/i.test(line));
          expect({ operation, executed, torn: torn(values, all), leaked, broken }).toEqual({
            operation,
            executed: 0,
            torn: [],
            leaked: [],
            broken: [],
          });
          for (const { at, token } of values) if (all.some((each) => each.includes(token))) seen.add(at);
        }
      }
    };
    // What fails is not made smaller: that would take minutes.
    fc.assert(fc.property(hostile, fc.nat(2), property), {
      numRuns: runs(what === 'texts' ? 2 : 1),
      endOnFailure: true,
    });
    for (const at of SEEN[what]) expect([...seen].filter((each) => each.startsWith(at))).not.toEqual([]);
  },
);

test('what is executed is seen, and so are a secret that is an argument and a value that has been split', () => {
  const bad: Command = {
    text: `docker run x'y $(${CANARY}) $secret' ; docker run it is; docker $(${CANARY}) "$secret"`,
    variables: { secret: { secret: 's', encoding: 'raw' } },
  };
  const { words, executed } = host.run([bad], () => SECRET, 0);
  expect(executed).toBe(1);
  expect(words).toContain(SECRET);
  expect(torn([{ at: 'x', token: 'is', value: 'it is' }], words)).toHaveLength(1);
});
