import { describe, expect, it } from 'vitest';
import { Changes, changeLine } from '../../src/client/changes.ts';
import { clip, clock, duration, printable, table, width } from '../../src/client/format.ts';
import type { Stream } from '../../src/client/io.ts';
import { clusterLink, workflowLink } from '../../src/client/links.ts';
import { LiveBlock } from '../../src/client/live.ts';
import { checkLines, eventLines, problemLines, verdict } from '../../src/client/report.ts';
import { tree } from '../../src/client/tree.ts';
import { failedHosts, merge, tally, type View } from '../../src/client/view.ts';
import { waitLines, waitsOf } from '../../src/client/waits.ts';
import type { Plan, Stage } from '../../src/plan/plan.ts';
import type { Progress, Steps } from '../../src/workflows/contract.ts';

const PLAIN = { color: false, unicode: true };
const BEGAN = 1_000_000;

const stage = (id: string, title: string, hosts: readonly string[], more: object = {}): Stage => ({
  id,
  title,
  hosts,
  operation: id.slice(id.indexOf('-') + 1),
  kind: 'change',
  timeout: 1,
  brief: true,
  needs: [],
  scope: 'host',
  args: {},
  secrets: [],
  lane: 0,
  ...more,
});

const hosts = ['vm0', 'vm1', 'vm2'];
const host = (name: string, site: string) => ({
  name,
  site,
  index: Number(name.slice(2)),
  address: `192.0.2.${name.slice(2)}`,
  port: 22,
  user: 'vagrant',
  labels: {},
  access: {},
});

const PLAN: Plan = {
  version: 1,
  cluster: 'forum',
  purpose: 'apply',
  hosts: [host('vm0', 'ams'), host('vm1', 'fra'), host('vm2', 'fra')],
  stages: [
    stage('00-system.ready', 'be ready', hosts),
    stage('01-docker.install', 'install Docker', hosts),
    stage('02-docker.configure', 'configure Docker', hosts),
    stage('03-mongodb.initiate', 'make the set', hosts, { scope: 'cluster', on: 'one', order: 'all' }),
    stage('04-nodebb.start', 'start NodeBB', hosts),
  ],
  segments: [],
  secrets: {},
  budget: 0,
  onFailure: 'pause',
  patience: {},
  outputs: [],
};

const progress = (steps: Steps, more: Partial<Progress> = {}): Progress => ({
  state: 'rolling',
  doing: 'install Docker',
  steps,
  changed: 0,
  parked: [],
  problems: [],
  children: [],
  ...more,
});
const view = (steps: Steps, more: Partial<Progress> = {}, rest: Partial<View> = {}): View => ({
  cluster: 'forum',
  revision: 3,
  runId: 'r',
  began: BEGAN,
  plan: PLAN,
  running: [],
  progress: progress(steps, more),
  ...rest,
});

const MIDWAY: Steps = {
  '00-system.ready': { vm0: 'unchanged', vm1: 'unchanged', vm2: 'unchanged' },
  '01-docker.install': { vm0: 'done', vm1: 'provisioning', vm2: 'failed' },
  '02-docker.configure': { vm0: 'done' },
  '03-mongodb.initiate': { vm0: 'done' },
};

describe('the tree', () => {
  const canvas = { ...PLAIN, columns: 80, rows: 24, now: BEGAN + 72_000 };

  it('shows sites, hosts and roles, and what runs below its host', () => {
    const running = [
      { host: 'vm1', what: 'docker.install', since: BEGAN + 58_000, attempt: 2, line: 'Unpacking docker.io …' },
    ];
    expect(tree(view(MIDWAY, {}, { running }), canvas).join('\n')).toBe(`\
⠸ forum revision 3  rolling  1m 12s  7 of 13 steps  3 changed  install Docker
 ams
   vm0  = system  ✔ docker  ✔ mongodb  · nodebb
 fra
   vm1  = system  ◐ docker  · nodebb
        docker.install  14s  attempt 2  Unpacking docker.io …
   vm2  = system  ✘ docker  · nodebb`);
  });

  it('takes plain letters where the terminal knows no others', () => {
    expect(tree(view(MIDWAY), { ...canvas, unicode: false })[2]).toBe(
      '   vm0  = system  + docker  + mongodb  . nodebb',
    );
  });

  it('names only what is not done where all names are too wide', () => {
    expect(tree(view(MIDWAY), { ...canvas, columns: 40 })[2]).toBe('   vm0  =  ✔  ✔  · nodebb');
  });

  it('never is wider than the terminal, nor higher', () => {
    const many = Array.from({ length: 300 }, (_, n) => host(`vm${n}`, `dc${n % 30}`));
    const names = many.map(({ name }) => name);
    const plan = { ...PLAN, hosts: many, stages: PLAN.stages.map((each) => ({ ...each, hosts: names })) };
    const steps = { '01-docker.install': { vm3: 'provisioning', vm7: 'failed', vm8: 'done' } } as const;
    const lines = tree(view(steps, {}, { plan }), { ...canvas, columns: 60 });
    expect(Math.max(...lines.map(width))).toBeLessThan(60);
    expect(lines.length).toBeLessThan(24);
    expect(lines.at(-1)).toMatch(/… and \d+ hosts of other sites/);
  });

  it('folds sites in which nothing happens where there are too many lines', () => {
    expect(tree(view(MIDWAY), { ...canvas, rows: 7 }).slice(1)).toEqual([
      ' ams  1 host: ◐ 1 provisioning',
      '   vm0  = system  ✔ docker  ✔ mongodb  · nodebb',
      ' fra  2 hosts: ◐ 1 provisioning, ✘ 1 failed',
    ]);
  });

  it('says which wave it is in, and who was left out by somebody', () => {
    const wave = { number: 2, of: 5, hosts: ['vm1'] };
    const problems = [{ host: 'vm2', type: 'Skipped', message: 'vm2 is left out by ada' }];
    const more = { wave, doing: 'wave 2 of 5: install Docker', parked: ['vm0', 'vm2'], problems };
    const lines = tree(view({ '00-system.ready': { vm2: 'done' } }, more), { ...canvas, columns: 140 });
    expect(lines[0]).toBe(
      '⠸ forum revision 3  rolling  1m 12s  wave 2 of 5  1 of 13 steps  1 changed  1 host parked  1 host left out  install Docker',
    );
    expect(lines.at(-1)).toBe('   vm2  ✔ system  - docker  - nodebb  left out');
  });

  it('says below its head what it waits for, and folds for it', () => {
    const waits = [{ for: 'approval', until: new Date(canvas.now + 3_600_000).toISOString() }] as const;
    const lines = tree(view(MIDWAY, { state: 'paused', doing: 'waits' }, { waits }), { ...canvas, rows: 9 });
    expect(lines.slice(0, 3)).toEqual([
      'forum revision 3  paused  1m 12s  7 of 13 steps  3 changed',
      expect.stringMatching(/^ waits for an approval until .+ \(in 1h 00m\): farweave approve$/),
      ' ams',
    ]);
    expect(tree(view(MIDWAY, {}, { waits }), { ...canvas, rows: 7 }).length).toBeLessThan(7);
  });

  it('shows control characters of a host as text', () => {
    const running = [{ host: 'vm1', what: 'x.y', since: BEGAN, attempt: 1, line: 'a\u001b[2Jb\u0007' }];
    expect(tree(view({}, {}, { running }), canvas).join('\n')).toContain('ab\\x07');
  });
});

describe('lines of change', () => {
  const lines = (changes: Changes, steps: Steps, more: Partial<Progress> = {}) =>
    changes.next(view(steps, more)).map(changeLine);

  it('say nothing before the survey is through, then what is queued', () => {
    const changes = new Changes(PLAN);
    expect(lines(changes, {}, { state: 'surveying' })).toEqual([]);
    const surveyed: Steps = { '00-system.ready': { vm0: 'unchanged', vm1: 'unchanged', vm2: 'unchanged' } };
    expect(lines(changes, surveyed).slice(0, 2)).toEqual(['vm0 docker.install: Queued', 'vm1 docker.install: Queued']);
  });

  it('tell each state once, in the words of the article', () => {
    const changes = new Changes(PLAN);
    const at = (state: 'provisioning' | 'done') => ({ '01-docker.install': { vm0: state } }) satisfies Steps;
    const told = [at('provisioning'), at('provisioning'), at('done'), at('done')].map((steps) =>
      lines(changes, steps).filter((line) => line.startsWith('vm0 docker.install')),
    );
    expect(told).toEqual([
      ['vm0 docker.install: Queued', 'vm0 docker.install: Provisioning'],
      [],
      ['vm0 docker.install: Done'],
      [],
    ]);
  });

  it('leave out what was so already', () => {
    const all = Object.fromEntries(
      PLAN.stages.map(({ id }) => [id, { vm0: 'unchanged', vm1: 'unchanged', vm2: 'unchanged' }]),
    ) as Steps;
    expect(lines(new Changes(PLAN), all, { state: 'done' })).toEqual([]);
  });

  it('say nothing of steps that nobody will come to', () => {
    expect(lines(new Changes(PLAN), {}, { state: 'failed' })).toEqual([]);
  });

  it('tell once that a host is parked', () => {
    const changes = new Changes(PLAN);
    lines(changes, {});
    const steps: Steps = { '01-docker.install': { vm2: 'parked' }, '02-docker.configure': { vm2: 'parked' } };
    expect(lines(changes, steps, { parked: ['vm2'] })).toEqual(['vm2 docker.install: Parked']);
  });

  it('never say that a step is queued again, nor that all hosts wait for what one of them does', () => {
    const changes = new Changes(PLAN);
    const queued = lines(changes, {});
    expect(queued).not.toContain('vm1 mongodb.initiate: Queued');
    lines(changes, { '01-docker.install': { vm0: 'failed' } });
    expect(lines(changes, {})).toEqual([]);
  });
});

describe('merging', () => {
  it('takes the newer steps of sites, and counts what they changed', () => {
    const own = progress({ '01-docker.install': { vm0: 'done' } }, { changed: 1, parked: ['vm2'] });
    const site = progress({ '01-docker.install': { vm1: 'provisioning' } }, { changed: 2, parked: ['vm2'] });
    expect(merge(own, [site])).toMatchObject({
      steps: { '01-docker.install': { vm0: 'done', vm1: 'provisioning' } },
      changed: 3,
      parked: ['vm2'],
    });
  });

  it('counts what any one host does once', () => {
    expect(tally(view(MIDWAY))).toEqual({ total: 13, settled: 7, changed: 3, unchanged: 3 });
  });
});

describe('the last words', () => {
  const outcome = { state: 'done', changed: 0, parked: [], problems: [], left: [], facts: {} } as const;

  it('say 0 changed where all was well', () => {
    const steps = Object.fromEntries(
      PLAN.stages.map(({ id }) => [id, { vm0: 'unchanged', vm1: 'unchanged', vm2: 'unchanged' }]),
    ) as Steps;
    expect(verdict(view(steps), outcome, 4_321, PLAIN)).toBe('done: 0 changed, 13 unchanged in 4.3s');
  });

  it('name parked hosts and what could not be taken back', () => {
    const bad = {
      ...outcome,
      state: 'undone',
      changed: 2,
      parked: ['vm2'],
      left: ['mongodb.initiate on vm0'],
    } as const;
    expect(verdict(view({}), bad, 60_000, PLAIN)).toBe(
      'undone: 2 changed, 0 unchanged in 1m 00s\n1 host parked: vm2\nnot taken back: mongodb.initiate on vm0',
    );
    const out = { ...bad, left: [], problems: [{ host: 'vm2', type: 'Skipped', message: 'vm2 is left out' }] };
    expect(verdict(view({}), out, 60_000, PLAIN)).toMatch(/\n1 host left out: vm2$/);
  });

  it('give failures by host: short, then long, then what to do', () => {
    const log = Array.from({ length: 50 }, (_, n) => `line ${n}`).join('\n');
    const message = 'docker.install on vm2: exit code 1: no space';
    const lines = problemLines([{ host: 'vm2', type: 'NoSpace', message, log, hint: 'Make room.' }], PLAIN);
    expect(lines.slice(0, 4)).toEqual(['', 'vm2', `  NoSpace  ${message}`, '    | line 10']);
    expect(lines.slice(-2)).toEqual(['    | line 49', '  What to do: Make room.']);
  });

  it('have a line for each check, and below it what does not hold', () => {
    const checks = { ...PLAN, purpose: 'verify', stages: PLAN.stages.slice(0, 2) } as const;
    const steps: Steps = {
      '00-system.ready': { vm0: 'unchanged', vm1: 'unchanged', vm2: 'unchanged' },
      '01-docker.install': { vm0: 'unchanged', vm1: 'failed', vm2: 'unchanged' },
    };
    const problems = [{ host: 'vm1', stage: '01-docker.install', type: 'NotConverged', message: 'docker is away' }];
    expect(checkLines(view(steps, { problems }, { plan: checks }), PLAIN)).toEqual([
      '✔ be ready  (system.ready, 3 hosts)',
      '✘ install Docker  (docker.install): not on vm1',
      '    docker is away',
    ]);
  });
});

describe('what a rollout waits for', () => {
  const NOW = Date.parse('2026-11-24T16:30:00Z');
  const until = '2026-11-24T21:00:00Z';
  const said = (seen: View) => waitLines(seen, { now: NOW, self: 'farweave -f x.yaml' });

  it.each([
    {
      waits: { for: 'approval', until },
      says: /^waits for an approval until .*2026.* \(in 4h 30m\): farweave -f x\.yaml approve$/,
    },
    { waits: { for: 'soak', until }, says: /^lets the last wave run until .* \(in 4h 30m\) before the next one goes$/ },
    { waits: { for: 'window', until }, says: /^waits until a window opens: .* \(in 4h 30m\)$/ },
    { waits: { for: 'resume' }, says: /^paused by ada: lunch; farweave -f x\.yaml resume goes on$/ },
    {
      waits: { for: 'decision' },
      says: /^vm0, vm2 failed; nothing new begins before somebody decides: farweave -f x\.yaml retry, /,
    },
  ] as const)('is a sentence: $waits.for', ({ waits, says }) => {
    const problems = ['vm0', 'vm2', 'vm0', ''].map((name) => ({ host: name, type: 'CommandFailed', message: name }));
    const more = { doing: 'paused by ada: lunch', problems };
    expect(said(view({}, more, { waits: [waits] }))).toEqual([expect.stringMatching(says)]);
  });

  it('is said of a site by its own clock, and of many sites in few lines', () => {
    const windows = { fra: { timezone: 'Asia/Tokyo', from: '06:00', to: '08:00' } };
    const sites = ['fra', 'ams', 'nyc', 'lon', 'par', 'rom'];
    const waits = sites.map((site) => ({ for: 'window', until, site }) as const);
    const lines = said(view({}, {}, { waits, plan: { ...PLAN, policy: { windows } } }));
    expect(lines[0]).toBe('waits until the window of fra opens: 2026-11-25 06:00 GMT+9 (in 4h 30m)');
    expect(lines).toHaveLength(5);
    expect(lines.at(-1)).toBe('and 2 more sites wait');
  });

  it('is gathered from the rollout and its sites, also where an earlier release says only that it is paused', () => {
    const window = { for: 'window', until } as const;
    const sites = new Map([
      ['ams', progress({}, { waits: window })],
      ['fra', progress({})],
    ]);
    expect(waitsOf(progress({}), sites)).toEqual([{ ...window, site: 'ams' }]);
    expect(waitsOf(progress({}, { state: 'paused' }), new Map())).toEqual([{ for: 'resume' }]);
    expect(waitsOf(progress({}, { state: 'paused', stuck: true }), new Map())).toEqual([{ for: 'decision' }]);
  });

  it('is a decision about hosts that take part, or about those that are away where too many are', () => {
    const problems = ['vm0', 'vm1', 'vm2'].map((name) => ({ host: name, type: 'Unreachable', message: name }));
    expect(failedHosts({ problems, parked: ['vm0', 'vm2'] })).toEqual(['vm1']);
    expect(failedHosts({ problems, parked: ['vm0', 'vm1', 'vm2'] })).toEqual(['vm0', 'vm1', 'vm2']);
  });
});

describe('texts', () => {
  it.each([
    [0, '0s'],
    [950, '0.9s'],
    [12_900, '12s'],
    [65_000, '1m 05s'],
    [3_660_000, '1h 01m'],
  ])('%d ms are %s', (milliseconds, text) => {
    expect(duration(milliseconds)).toBe(text);
  });

  it.each([
    ['UTC', '2026-11-24 21:00 UTC', '2026-11-24 21:00:07 UTC'],
    ['Europe/Berlin', '2026-11-24 22:00 CET', '2026-11-24 22:00:07 CET'],
    ['America/New_York', '2026-11-24 16:00 GMT-5', '2026-11-24 16:00:07 GMT-5'],
  ])('of times in %s name their zone', (zone, minutes, seconds) => {
    const at = Date.parse('2026-11-24T21:00:07Z');
    expect(clock(at, zone)).toBe(minutes);
    expect(clock(at, zone, { seconds: true })).toBe(seconds);
  });

  it('of events say when, what and who', () => {
    const events = [{ at: '2026-11-24T21:00:07Z', what: 'vm1 is left out\u0007', by: 'ada@desk' }];
    expect(eventLines(events, PLAIN)).toEqual([
      expect.stringMatching(/^2026-11-2\d \d\d:\d\d:07 \S+ {2}vm1 is left out\\x07 \(ada@desk\)$/),
    ]);
  });

  it('are cut to a width with their colours left whole', () => {
    const red = '\u001b[31mabcdef\u001b[39m';
    expect(clip(red, 4)).toBe('\u001b[31mabc…\u001b[39m');
    expect(clip(red, 6)).toBe(red);
    expect(width(red)).toBe(6);
  });

  it('of machines cannot steer the terminal', () => {
    expect(printable('ok\u001b]0;title\u0007\u001b[31mred\u0000\ttab')).toBe('okred\\x00\ttab');
    expect(printable('a\u202eb\u2028\u0085')).toBe('a\\u202eb\\u2028\\x85');
  });

  it('stand in columns', () => {
    expect(
      table([
        ['a', 'bb', 'c'],
        ['aaa', 'b', ''],
      ]),
    ).toEqual(['a    bb  c', 'aaa  b']);
  });
});

describe('links', () => {
  it('lead to what a rollout is doing, which needs its run', () => {
    expect(workflowLink('http://127.0.0.1:8233', 'default', 'rollout:forum:1', 'abc')).toBe(
      'http://127.0.0.1:8233/namespaces/default/workflows/rollout%3Aforum%3A1/abc/user-metadata',
    );
  });

  it('lead to all of a cluster', () => {
    expect(clusterLink('http://x', 'default', 'forum')).toBe(
      'http://x/namespaces/default/workflows?query=FarweaveCluster%3D%22forum%22',
    );
  });
});

describe('a live block', () => {
  it('is redrawn in place, only when it has changed, and gives the cursor back', () => {
    const written: string[] = [];
    const stream: Stream = {
      live: true,
      size: () => ({ columns: 80, rows: 3 }),
      write: (text) => void written.push(text),
    };
    const block = new LiveBlock(stream);
    block.show(['one', 'two', 'three']);
    expect(written.join('')).toContain('one\u001b[K\ntwo\u001b[K\n');
    expect(written.join('')).not.toContain('three');
    const before = written.length;
    block.show(['one', 'two', 'three']);
    expect(written).toHaveLength(before);
    block.show(['one', 'TWO']);
    expect(written.at(-1)).toContain('\u001b[2A');
    block.close();
    expect(written.at(-1)).toBe('\u001b[?25h');
  });
});
