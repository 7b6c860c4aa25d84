import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { afterEach, beforeEach, expect, it } from 'vitest';
import * as z from 'zod';
import { plainVault } from '../../test/vault.ts';
import { type Machine, Machines } from '../../test/workflow/machines.ts';
import type { HostSpec } from '../plan/plan.ts';
import { no, type Operation, operation, yes } from '../roles/operation.ts';
import { script, sh } from '../ssh/command.ts';
import { LinkLost } from '../ssh/errors.ts';
import type { Connect } from '../ssh/host.ts';
import type { FailureDetail, Step, Task } from './contract.ts';
import { Heard } from './heard.ts';
import { createPerformer } from './performer.ts';
import { createSecrets } from './secrets.ts';

/** A file with one line in it. `also` runs after it has been written. */
const line = operation('toy.line', z.object({ file: z.string(), line: z.string(), also: z.string().default(':') }), {
  probe: (_, { file }) => sh`cat ${`/srv/${file}`} 2>/dev/null || :`,
  judge: ({ stdout }, _, wanted) =>
    stdout.trim() === wanted.line ? yes() : no(stdout.trim() || 'nothing', wanted.line),
  apply: (_, args, { now }) =>
    script(
      sh`echo ${`${args.file} was ${now}`} >> /srv/log`,
      sh`echo ${args.line} > ${`/srv/${args.file}`}`,
      sh`sh -ec ${args.also}`,
    ),
  undo: (_, { file }) => script(sh`rm -f ${`/srv/${file}`}`),
});

const host: HostSpec = { name: 'vm1', site: 'a', index: 0, address: '', port: 22, user: 'me', labels: {}, access: {} };
const vault = plainVault();

let machines: Machines;
let machine: Machine;
let perform: ReturnType<typeof createPerformer>;
/** What was sent to the machine, in order. */
let sent: ('ask' | 'run' | 'follow')[];
/** Loses the link as soon as a job has ended. */
let breaks = false;

beforeEach(() => {
  machines = new Machines();
  machine = machines.of('vm1');
  sent = [];
  breaks = false;
  perform = performer();
});
afterEach(() => machines.remove());

/** As another worker has it, which remembers nothing. */
function performer() {
  const connect: Connect = async (target) => {
    const there = machines.of(target.name).connect(target);
    return {
      hostKey: there.hostKey,
      ask: (questions, values) => (sent.push('ask'), there.ask(questions, values)),
      run: async (job, watch) => {
        sent.push(job.script ? 'run' : 'follow');
        const output = await there.run(job, watch);
        if (breaks) throw new LinkLost(target, 'the link broke');
        return output;
      },
    };
  };
  const operations = new Map<string, Operation>([[line.name, line as unknown as Operation]]);
  return createPerformer({ connect, open: createSecrets(vault, {}), heard: new Heard() }, operations);
}

const step = (n: number, args: { file?: string; line?: string; also?: string } = {}, generation = 0): Step => ({
  receipt: `run/0${n}-toy.line`,
  operation: 'toy.line',
  args: { file: `f${n}`, line: `l${n}`, ...args },
  generation,
  timeout: 10_000,
});

const act = <T>(activity: (task: Task) => Promise<T>, steps: readonly Step[], attempt = 1): Promise<T> =>
  new MockActivityEnvironment({ attempt }, { logger: new DefaultLogger('ERROR') }).run(activity, {
    cluster: 'c',
    revision: 1,
    fence: 1,
    host,
    facts: { 'host.key': { vm1: 'SHA256:vm1' } },
    sealed: {},
    steps,
  });

async function failed(running: Promise<unknown>): Promise<{ type: string; message: string; detail: FailureDetail }> {
  const error = await running.then(
    () => Promise.reject(new Error('it succeeded')),
    (e: unknown) => e as { type: string; message: string; details: [FailureDetail] },
  );
  return { type: error.type, message: error.message, detail: error.details[0] };
}

const CHANGED = { changed: true };
const THE_SAME = { changed: false };

it('makes several changes in one job: three round trips, however many they are', async () => {
  expect(await act(perform.converge, [step(1), step(2), step(3)])).toEqual([CHANGED, CHANGED, CHANGED]);
  expect(sent).toEqual(['ask', 'run', 'ask']);
  expect(machine.log).toEqual(['f1 was nothing', 'f2 was nothing', 'f3 was nothing']);
});

it('acts on what the survey has heard, without asking again', async () => {
  const steps = [step(1), step(2)];
  await act(perform.survey, steps);
  expect(await act(perform.converge, steps)).toEqual([CHANGED, CHANGED]);
  expect(sent).toEqual(['ask', 'run', 'ask']);
});

it('does not act on what has come about since the survey', async () => {
  const steps = [step(1), step(2)];
  await act(perform.survey, steps);
  machine.write('srv/f1', 'l1\n');
  expect(await act(perform.converge, steps)).toEqual([THE_SAME, CHANGED]);
  expect(machine.log).toEqual(['f2 was nothing']);
});

it('asks again where an attempt has gone before, whatever the survey has heard', async () => {
  await act(perform.survey, [step(1)]);
  await act(perform.converge, [step(1)], 2);
  expect(sent).toEqual(['ask', 'ask', 'run', 'ask']);
});

it('leaves alone what a step before it in the same job has brought about', async () => {
  const steps = [step(1, { also: 'echo l2 > /srv/f2' }), step(2), step(3)];
  expect(await act(perform.converge, steps)).toEqual([CHANGED, THE_SAME, CHANGED]);
  expect(machine.log).toEqual(['f1 was nothing', 'f3 was nothing']);
});

it('makes its script anew where a step before it in the same job has changed what it was made for', async () => {
  const steps = [step(1, { also: 'echo half > /srv/f2' }), step(2)];
  expect(await act(perform.converge, steps)).toEqual([CHANGED, CHANGED]);
  expect(machine.log).toEqual(['f1 was nothing', 'f2 was half']);
});

it('does again what a step after it in the survey had, and one before it has undone', async () => {
  machine.write('srv/f2', 'l2\n');
  const steps = [step(1, { also: 'rm /srv/f2' }), step(2)];
  expect(await act(perform.converge, steps)).toEqual([CHANGED, CHANGED]);
  expect(machine.log).toEqual(['f1 was nothing', 'f2 was nothing']);
});

it('stops at the first that fails, and says which it is and what came before it', async () => {
  const steps = [step(1), step(2, { also: 'echo no room; exit 28' }), step(3)];
  const { type, message, detail } = await failed(act(perform.converge, steps));
  expect([type, message]).toEqual(['NoSpace', 'toy.line on vm1: exit code 28: no room']);
  expect(detail).toMatchObject({ results: [CHANGED], ended: true });
  expect(detail.begun).toBeUndefined();
  expect(machine.log).toHaveLength(2);
  // The next generation goes on from there.
  machine.remove('srv/f2');
  expect(await act(perform.converge, [step(2, {}, 1), step(3)])).toEqual([CHANGED, CHANGED]);
  expect(machine.log).toEqual(['f1 was nothing', 'f2 was nothing', 'f2 was nothing', 'f3 was nothing']);
});

it('says how many have begun after one whose script ended well and whose state does not hold', async () => {
  const steps = [step(1), step(2, { also: 'echo other > /srv/f2' }), step(3), step(4)];
  const { type, message, detail } = await failed(act(perform.converge, steps));
  expect([type, message]).toEqual(['NotConverged', 'toy.line on vm1: ran, but it is other, not l2']);
  expect(detail).toMatchObject({ results: [CHANGED], begun: 2, ended: true });
});

it('says that all of them may have begun when the link breaks, and finds them done afterwards', async () => {
  const steps = [step(1), step(2), step(3)];
  breaks = true;
  const { type, detail } = await failed(act(perform.converge, steps));
  expect(type).toBe('Unreachable');
  expect(detail).toMatchObject({ results: [], begun: 2 });
  breaks = false;
  perform = performer();
  sent = [];
  expect(await act(perform.converge, steps, 2)).toEqual([CHANGED, CHANGED, CHANGED]);
  expect(sent).toEqual(['ask', 'follow', 'ask']);
  expect(machine.log).toHaveLength(3);
});

it('follows the job of an attempt that failed to its end, instead of beginning another', async () => {
  const steps = [step(1), step(2, { also: 'exit 3' }), step(3)];
  breaks = true;
  await failed(act(perform.converge, steps));
  breaks = false;
  perform = performer();
  const { message, detail } = await failed(act(perform.converge, steps, 2));
  expect(message).toBe('toy.line on vm1: exit code 3');
  expect(detail).toMatchObject({ results: [CHANGED], ended: true });
  expect(machine.log).toHaveLength(2);
});

it('takes back each step by itself, and nothing that has never begun', async () => {
  const steps = [step(1), step(2, { also: 'exit 3' }), step(3)];
  await failed(act(perform.converge, steps));
  expect(await act(perform.undo, [steps[1]!])).toEqual([CHANGED]);
  expect(await act(perform.undo, [steps[0]!])).toEqual([CHANGED]);
  expect(machine.list('srv')).toEqual(['log']);
});
