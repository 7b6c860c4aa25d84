import { gzipSync } from 'node:zlib';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { beforeEach, expect, it } from 'vitest';
import * as z from 'zod';
import { FakeHosts } from '../../test/fake-host.ts';
import { plainVault } from '../../test/vault.ts';
import type { HostSpec } from '../plan/plan.ts';
import { no, type Operation, operation, yes } from '../roles/operation.ts';
import { script, sh } from '../ssh/command.ts';
import { JobLost } from '../ssh/errors.ts';
import type { FailureDetail, Step, Task } from './contract.ts';
import { Heard } from './heard.ts';
import { createPerformer } from './performer.ts';
import { createSecrets } from './secrets.ts';

const install = operation('pkg.install', z.object({ name: z.string() }), {
  probe: (_, { name }) => sh`dpkg-query ${name}`,
  judge: ({ exitCode, stdout }, _, { name }) => (exitCode === 0 ? yes() : no(stdout || 'absent', name)),
  // Made from what was found: half-way through it would be another script.
  apply: (_, { name }, { now }) => script(sh`apt-get install ${name} # was ${now}`),
  undo: (_, { name }) => script(sh`apt-get purge ${name}`),
});

const host: HostSpec = {
  name: 'vm1',
  site: 'a',
  index: 0,
  address: '10.0.0.1',
  port: 22,
  user: 'me',
  labels: {},
  access: {},
};
const vault = plainVault();
const step: Step = {
  receipt: 'run/01-pkg.install',
  operation: 'pkg.install',
  args: { name: 'jq' },
  generation: 0,
  timeout: 5_000,
};
const task = (more: Partial<Step> = {}, also: Partial<Task> = {}): Task => ({
  cluster: 'c',
  revision: 1,
  fence: 1,
  host,
  facts: {},
  sealed: {},
  steps: [{ ...step, ...more }],
  ...also,
});

let hosts: FakeHosts;
let perform: ReturnType<typeof createPerformer>;
beforeEach(() => {
  hosts = new FakeHosts()
    .on(/dpkg-query/, (_, { state }) => (state.has('jq') ? 'jq' : { exitCode: 1, stdout: state.get('half') ?? '' }))
    .on(/apt-get purge/, (_, { state }) => void state.delete('jq'))
    .on(/apt-get install/, (_, { state }) => void state.set('jq', '1'));
  const operations = new Map<string, Operation>([[install.name, install as unknown as Operation]]);
  perform = createPerformer({ connect: hosts.connect, open: createSecrets(vault, {}), heard: new Heard() }, operations);
});

const act = <T>(activity: (task: Task) => Promise<T>, of: Task): Promise<T> =>
  new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') }).run(activity, of);

async function failed(running: Promise<unknown>): Promise<{ type: string; message: string; detail: FailureDetail }> {
  const error = await running.then(
    () => Promise.reject(new Error('it succeeded')),
    (e: unknown) => e as { type: string; message: string; details: [FailureDetail] },
  );
  return { type: error.type, message: error.message, detail: error.details[0] };
}

it('changes what is not so, and says what it has learnt of the host', async () => {
  expect(await act(perform.converge, task())).toEqual([{ changed: true, facts: { 'host.key': 'SHA256:fake' } }]);
  expect(hosts.changes).toHaveLength(1);
  expect(await act(perform.converge, task({ receipt: 'other/01-pkg.install' }))).toMatchObject([{ changed: false }]);
  expect(hosts.changes).toHaveLength(1);
});

it('follows what an attempt of the same generation has begun, with the script that one had written', async () => {
  hosts.get('vm1').crashAfter(/apt-get install/);
  expect(await failed(act(perform.converge, task()))).toMatchObject({ type: 'Unreachable' });
  hosts.get('vm1').state.delete('jq');
  hosts.get('vm1').state.set('half', 'half installed');
  // The job has ended, and this attempt is shown its end: it does not run it again.
  expect(await failed(act(perform.converge, task()))).toMatchObject({
    type: 'NotConverged',
    message: 'pkg.install on vm1: ran, but it is half installed, not jq',
    detail: { ended: true },
  });
  expect(hosts.changes.filter(({ text }) => text.includes('apt-get install'))).toHaveLength(1);
  expect(await act(perform.converge, task({ generation: 1 }))).toMatchObject([{ changed: true }]);
  expect(hosts.changes.at(-1)?.text).toContain("was 'half installed'");
});

it('counts as changed what an attempt of this rollout changed, that could not say so', async () => {
  hosts.get('vm1').state.set('jq', '1');
  hosts.get('vm1').receipts.add(step.receipt);
  expect(await act(perform.converge, task())).toMatchObject([{ changed: true }]);
});

it('asks for the state after the host has lost a job: where it is reached, that was a change', async () => {
  hosts.on(/apt-get install/, (_, { state, name }) => {
    state.set('jq', '1');
    return new JobLost({ name, address: '', port: 22 }, 'it restarted', 'unpacking');
  });
  expect(await act(perform.converge, task())).toMatchObject([{ changed: true }]);
});

it('asks for the state after the host has lost a job: where it is not reached, another generation may try', async () => {
  const lost = new JobLost({ name: 'vm1', address: '', port: 22 }, 'it restarted', 'unpacking');
  hosts.on(/apt-get install/, lost);
  const error = await failed(act(perform.converge, task()));
  expect(error).toMatchObject({ type: 'CommandFailed', detail: { ended: true, log: 'unpacking' } });
});

it('does not take for "no" what could not be asked', async () => {
  hosts.on(/dpkg-query/, { exitCode: 127, stderr: 'sh: dpkg-query: not found' });
  expect(await failed(act(perform.converge, task()))).toMatchObject({
    type: 'StateUnknown',
    message: 'pkg.install on vm1: the probe exited with 127: sh: dpkg-query: not found',
  });
  expect(hosts.changes).toEqual([]);
  const { findings } = await act(perform.survey, task());
  expect(findings).toMatchObject([{ is: 'unknown' }]);
});

it('neither changes nor skips an undo where what earlier attempts left could not be read', async () => {
  await act(perform.converge, task());
  hosts.get('vm1').state.delete('jq');
  hosts.on(/^traces of /, { exitCode: 137, stderr: 'no answer within 40 s' });
  for (const activity of [perform.converge, perform.undo])
    expect(await failed(act(activity, task({}, { fence: 2 })))).toMatchObject({
      type: 'StateUnknown',
      message: expect.stringContaining('no answer within 40 s'),
    });
  expect(hosts.changes).toHaveLength(1);
});

it('tells of the steps before the one that failed', async () => {
  const steps = [step, { ...step, receipt: 'run/02-pkg.install', args: { name: 1 } }];
  const { type, detail } = await failed(act(perform.converge, task({}, { steps })));
  expect(type).toBe('InvalidArguments');
  expect(detail.results).toMatchObject([{ changed: true }]);
});

it('undoes where there is a receipt, and nowhere else', async () => {
  await act(perform.converge, task());
  expect(await act(perform.undo, task({}, { fence: 2 }))).toEqual([{ changed: true }]);
  expect(hosts.get('vm1').state.has('jq')).toBe(false);
  expect([...hosts.get('vm1').receipts]).toEqual([]);
  expect(await act(perform.undo, task({}, { fence: 2 }))).toEqual([{ changed: false }]);
});

it('forgets the jobs of a settled rollout only where it is told a fence that keeps late attempts out', async () => {
  const { steps: _, ...settling } = task();
  const activity = async (more: { over?: number }) => {
    hosts.told.length = 0;
    await new MockActivityEnvironment().run(perform.settle, { ...settling, rollout: 'run', ...more });
    return hosts.told.map(({ text }) => text).join('\n');
  };
  expect(await activity({})).not.toContain('fence.lock');
  expect(await activity({ over: 4_000 })).toMatch(
    /cd \/var\/lib\/farweave [\s\S]*-gt[\s\S]*echo 4000[\s\S]*cd jobs[\s\S]*rm -rf "\$job"/,
  );
});

it('shows what would run only where it is asked to', async () => {
  const [plain] = (await act(perform.survey, task())).findings;
  expect(plain).toEqual({ is: 'no', now: 'absent', wanted: 'jq' });
  const explained = await act(perform.survey, { ...task(), explain: true } as Task);
  expect(explained.findings[0]?.commands).toContain('apt-get install jq');
});

const owner = { id: 'a1', cluster: 'forum', by: 'ada@laptop', since: '2026-11-02T09:00:00.000Z' };
const other = JSON.stringify({ ...owner, id: 'b2', by: 'bob@desk', rollout: 'r' });
const BELONGS = 'the host belongs to cluster forum of bob@desk since 2026-11-02 (id b2)';

it('claims a host by the first change, for the rollout that made it', async () => {
  await act(perform.survey, task({}, { owner }));
  expect(hosts.get('vm1').owner).toBeUndefined();
  await act(perform.converge, task({}, { owner }));
  expect(JSON.parse(hosts.get('vm1').owner!)).toEqual({ ...owner, rollout: 'run' });
  expect(await act(perform.survey, task({}, { owner }))).toMatchObject({ findings: [{ is: 'yes' }] });
});

it('refuses, when it surveys, a host that somebody else has, and says who and what to do', async () => {
  hosts.get('vm1').owner = other;
  expect(await failed(act(perform.survey, task({}, { owner })))).toMatchObject({
    type: 'Owned',
    message: `survey of vm1: ${BELONGS}`,
    detail: { hint: expect.stringContaining('farweave cluster adopt') as string },
  });
  expect(await act(perform.survey, task()), 'an older rollout asks nobody').toMatchObject({ findings: [{ is: 'no' }] });
});

it('changes nothing on a host that somebody else has claimed since the survey', async () => {
  hosts.get('vm1').owner = other;
  expect(await failed(act(perform.converge, task({}, { owner })))).toMatchObject({
    type: 'Owned',
    message: `pkg.install on vm1: ${BELONGS}`,
    detail: { ended: true },
  });
  expect(hosts.get('vm1').state.has('jq')).toBe(false);
  expect([...hosts.get('vm1').receipts]).toEqual([]);
});

it('takes nothing back on a host that has got another owner', async () => {
  await act(perform.converge, task({}, { owner }));
  hosts.get('vm1').owner = other;
  expect(await failed(act(perform.undo, task({}, { owner, fence: 2 })))).toMatchObject({ type: 'Owned' });
  expect(hosts.get('vm1').state.has('jq')).toBe(true);
});

it('leaves a copy of the cluster when it settles, and gives a host back where all was taken back', async () => {
  const { steps: _, ...rest } = task({}, { owner });
  const copy = { revision: 1, text: '{"revision":1}' };
  const told = async (more: Partial<Parameters<typeof perform.settle>[0]>) => {
    hosts.told.length = 0;
    const settle = (of: Task) => perform.settle({ ...of, rollout: 'run', ...more });
    await act(settle, { ...rest, steps: [] });
    return hosts.told.map(({ text }) => text).filter((text) => text.includes('farweave/owner'));
  };
  expect(await told({ copy })).toEqual([expect.stringContaining(`printf %s '{"revision":1}'`)]);
  expect(await told({ release: true })).toEqual([expect.stringContaining(`"rollout":"run"}') rm -f`)]);
  expect(await told({})).toEqual([]);
});

const taking = (more: Partial<Step> = {}) =>
  task(
    { receipt: 'gone/09-pkg.install.withdraw', operation: 'pkg.install.withdraw', args: null, ...more },
    { owner, fence: 9 },
  );
const layer = (number: string, args: unknown) =>
  `pkg.install/${number} ${gzipSync(JSON.stringify(args)).toString('base64')}\n`;

/** A host on which earlier rollouts have left these layers. */
function recorded(...layers: readonly string[]) {
  hosts.get('vm1').owner = JSON.stringify({ ...owner, rollout: 'run' });
  const there = () => hosts.get('vm1').state.get('gone') === undefined;
  hosts
    .on(/for layer in \S*origins\/pkg\.install/, () => (there() && layers.length > 0 ? 'added\n' : ''))
    .on(/gzip -c/, () => (there() ? layers.join('') : ''))
    .on(/mv -T \S*origins\/pkg\.install/, (_, { state }) => void state.set('gone', '1'));
}

it('takes an operation back by what is recorded on the host, in one job, and asks for nothing where nothing is', async () => {
  recorded(layer('000001', { name: 'jq' }), layer('000004', { name: 'tree' }));
  expect(await act(perform.survey, taking())).toMatchObject({
    findings: [{ is: 'no', now: 'as Farweave has made it', wanted: 'as it was found' }],
  });
  expect(await act(perform.converge, taking())).toMatchObject([{ changed: true }]);
  const [{ text } = { text: '' }, ...others] = hosts.changes;
  expect(others).toEqual([]);
  const order = ['000004', '000001', 'purge tree', 'purge jq', 'mv -T'].map((part) => text.indexOf(part));
  expect(order).toEqual(order.toSorted((one, other) => one - other));
  expect(order).not.toContain(-1);
  expect(await act(perform.survey, taking())).toMatchObject({ findings: [{ is: 'yes' }] });
  expect(await act(perform.converge, taking({ generation: 1 }))).toMatchObject([{ changed: false }]);
});

it('says what a withdrawal has left', async () => {
  recorded(layer('000001', { name: 'jq' }));
  hosts.on(/apt-get purge/, 'reading\nleft: jq, since mine needs it\n');
  expect(await act(perform.converge, taking())).toMatchObject([{ changed: true, left: ['jq, since mine needs it'] }]);
});

it('takes nothing back of an operation that no worker knows, or with arguments that it cannot read', async () => {
  recorded(layer('000001', { name: 1 }));
  expect(await failed(act(perform.converge, taking()))).toMatchObject({ type: 'InvalidArguments' });
  expect(hosts.changes).toEqual([]);
});

it('gives a host up, and not one on which something was not taken back', async () => {
  const releasing = taking({ operation: 'host.released', args: { data: false } });
  hosts.on(/^if cd \S*farweave/, { exitCode: 1, stdout: 'not taken back: pkg.install\n' });
  expect(await failed(act(perform.converge, releasing))).toMatchObject({
    type: 'CommandFailed',
    message: 'host.released on vm1: exit code 1: not taken back: pkg.install',
  });
  hosts.on(/^if cd \S*farweave/, 'left: backups in /var/lib/farweave/backups\n');
  expect(await act(perform.converge, releasing)).toMatchObject([
    { changed: true, left: ['backups in /var/lib/farweave/backups'] },
  ]);
});

it('looks as often as a check says, until it holds', async () => {
  let looks = 0;
  hosts.on(/is-well/, () => ({ exitCode: ++looks < 4 ? 1 : 0, stdout: '' }));
  const well = operation('svc.well', z.object({ every: z.number() }), {
    kind: 'check',
    interval: ({ every }) => every,
    probe: () => sh`is-well`,
    judge: ({ exitCode }) => (exitCode === 0 ? yes() : no('ill', 'well')),
  });
  const operations = new Map<string, Operation>([[well.name, well as unknown as Operation]]);
  const { converge } = createPerformer(
    { connect: hosts.connect, open: createSecrets(vault, {}), heard: new Heard() },
    operations,
  );
  // Within less than the two seconds between two looks that are not told otherwise.
  const asked = task({ operation: 'svc.well', args: { every: 10 }, timeout: 1_500 });
  expect(await act(converge, asked)).toMatchObject([{ changed: false }]);
  expect(looks).toBe(4);
});
