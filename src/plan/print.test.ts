import { expect, it } from 'vitest';
import { TOY, toys } from '../../test/unit/toy.ts';
import { parseCluster } from '../spec/parse.ts';
import { compilePlan } from './compile.ts';
import { digestOf } from './digest.ts';
import { printFindings } from './findings.ts';
import type { Policy, Stage } from './plan.ts';
import { printPlan } from './print.ts';

const { cluster } = parseCluster(TOY, { file: 'cluster.yaml', roles: toys });
const plan = compilePlan(cluster, { indexes: {} }, { roles: toys });

it('says where, what, in which order, what cannot be undone and with which secrets; the digest last', () => {
  expect(printPlan(plan)).toBe(`Plan for the cluster toy: 3 hosts in 2 sites, 8 stages

  ams  vm0 192.168.33.10, vm1 192.168.33.11
  fra  vm2 192.168.33.12:2222

mesh
  00  mesh.supported  have a supported kernel  vm0…vm2 (3), asked before all else
  01  mesh.createKey  create a key             vm0…vm2 (3)
  02  mesh.configure  configure the mesh       vm0…vm2 (3)
        port 51820
  03  mesh.join       join the mesh            vm0…vm2 (3)
  04  mesh.reach      reach the other hosts    vm0…vm2 (3), waited for
        only where something was changed

store
  05  store.start     start the store          vm0…vm2 (3)
        package store-server
        secrets: store.keyFile
  06  store.initiate  initiate the set         one of vm0…vm2 (3)
        no host in the cluster goes on before it is done
        cannot be undone: the data are there to stay
        secrets: store.password
  07  store.restart   restart the store        vm0…vm2 (3)
        1 at a time in every site
        goes on when store.answers holds

Secrets   access.password: from this machine, sealed for the workers
          access.vm2.password: from this machine, sealed for the workers
          store.keyFile: made once by a worker, 741 characters
          store.password: made once by a worker, 24 characters
Failure   the rollout stops and waits for you: retry, skip or rollback; no host may be parked
Then      vm0 http://192.168.33.10
          vm1 http://192.168.33.11
          vm2 http://192.168.33.12
Digest    ${digestOf(plan).slice(0, 16)}
`);
});

it.each([
  [['vm0'], '  vm0\n'],
  [['vm0', 'vm2'], '  vm0, vm2\n'],
  [['vm3', 'vm4', 'vm5'], '  vm3…vm5 (3)\n'],
  [['vm0', 'vm2', 'vm4'], '  vm0, vm2, vm4\n'],
  [['vm0', 'vm2', 'vm4', 'vm6', 'vm8', 'vm9'], '  vm0, vm2, vm4, … (6)\n'],
])('folds %j', (hosts, text) => {
  const ten = Array.from({ length: 10 }, (_, n) => ({ ...plan.hosts[0]!, name: `vm${n}` }));
  expect(printPlan({ ...plan, hosts: ten, stages: [{ ...plan.stages[2]!, hosts }] })).toContain(text);
});

it('says of sites how they are reached, where that is not from anywhere', () => {
  const limits = { sessions: 20, startsPerSecond: 5 };
  const hosts = plan.hosts.map((host) => (host.site === 'ams' ? { ...host, workers: 'own' as const, limits } : host));
  expect(printPlan(plan)).not.toContain('Sites ');
  expect(printPlan({ ...plan, hosts })).toContain(
    'Sites     ams: only its own workers reach it, at most 20 connections of a worker at once, at most 5 connections begun a second\n',
  );
});

it('says in which waves hosts go, and what is waited for', () => {
  const night = { timezone: 'Europe/Amsterdam', from: '22:00', to: '04:00' };
  const policy: Policy = {
    waves: [['vm0'], ['vm1', 'vm2']],
    canary: true,
    soak: 300_000,
    approval: { before: 'rest', expires: 86_400_000 },
    windows: { ams: { ...night, days: [1, 2, 4] }, fra: night },
  };
  expect(printPlan({ ...plan, budget: 2, policy })).toContain(`
Waves     1  vm0 in ams: the canary
          2  vm1, vm2 in ams and fra
Soak      5 minutes between a wave that changed something and the next one
Approval  somebody must agree after the canary, within 1 day
Windows   ams: work may begin from 22:00 to 04:00 on mon, tue and thu (Europe/Amsterdam)
          fra: work may begin from 22:00 to 04:00 (Europe/Amsterdam)
Failure   the rollout stops and waits for you: retry, skip or rollback; at most 2 hosts may be parked
`);
});

it.each<[Policy, string]>([
  [
    { approval: { before: 'start', expires: 5_400_000 } },
    'somebody must agree before anything is changed, within 90 minutes',
  ],
  [
    { waves: [['vm0'], ['vm1', 'vm2']], approval: { before: 'rest', expires: 3_600_000 } },
    'after the first wave, within 1 hour',
  ],
  [{ waves: [['vm0'], ['vm1', 'vm2']], soak: 90_000 }, 'Soak      90 seconds between'],
])('says of %j what it means', (policy, text) => {
  expect(printPlan({ ...plan, policy })).toContain(text);
});

it('cuts very many waves short', () => {
  const hosts = Array.from({ length: 100 }, (_, n) => ({ ...plan.hosts[0]!, name: `vm${n}` }));
  const text = printPlan({ ...plan, hosts, policy: { waves: hosts.map(({ name }) => [name]) } });
  expect(text).toContain('Waves       1  vm0\n            2  vm1\n');
  expect(text).toContain(' 18  vm17\n          … 82 more\n');
});

it('says what may be interrupted, and how many hosts can be spared', () => {
  const stages = plan.stages.map(
    (stage, n): Stage => ({
      ...stage,
      ...(n === 2 && { disrupts: true }),
      ...(n === 4 && { spare: 1 }),
      ...(n === 7 && { spare: 2 }),
    }),
  );
  const text = printPlan({ ...plan, stages });
  expect(text).toContain(
    '(3)\n        may interrupt what serves: keeps to what mesh.reach and store.restart can spare\n',
  );
  expect(text).toContain('        at most 1 host may be without it at a time\n');
  expect(text).toContain('        at most 2 hosts may be without it at a time\n');
  const alone = plan.stages.map((stage): Stage => ({ ...stage, disrupts: true }));
  expect(printPlan({ ...plan, stages: alone })).toContain('        may interrupt what serves\n');
});

it('stays readable with very many hosts', () => {
  const hosts = Array.from({ length: 300 }, (_, n) => ({
    ...cluster.hosts[0]!,
    name: `vm${n}`,
    address: `h${n}.example`,
  }));
  const network = { ...cluster.network, range: '10.192.0.0/12' };
  const many = compilePlan({ ...cluster, hosts, network }, { indexes: {} }, { roles: toys });
  const text = printPlan(many);
  expect(text.split('\n').length).toBeLessThan(60);
  expect(text).toContain('ams  vm0 h0.example, vm1 h1.example, vm2 h2.example, vm3 h3.example, … 300 hosts');
  expect(text).toContain('… 282 more');
});

it('shows arguments in lines, and cuts what is very long', () => {
  const args = { file: `first\n${'x'.repeat(200)}`, list: [1, { a: true }], empty: '', words: 'word '.repeat(200) };
  const text = printPlan({ ...plan, stages: [{ ...plan.stages[1]!, args }] });
  expect(text).toContain('        file\n        first⏎xxx');
  expect(text).toContain("…\n        list [1 {a true}], empty '', words word word");
  expect(text).toContain('\n        … (whole with --json)\n');
});

it('does not tell again what was told last', () => {
  const network = { range: '10.200.0.0/16', domain: 'farweave.local' };
  const args = [
    { network, port: 1 },
    { network, image: 'registry/image:1', port: 1 },
    { network, image: 'registry/image:1' },
    { network: { ...network, domain: 'x' } },
  ];
  const text = printPlan({ ...plan, stages: args.map((each, n) => ({ ...plan.stages[n]!, args: each })) });
  expect(text.split('\n').filter((each) => /^ {8}\S/.test(each))).toEqual([
    '        network {range 10.200.0.0/16, domain farweave.local}, port 1',
    '        image registry/image:1, port 1, network as above',
    '        network and image as above',
    '        network {range 10.200.0.0/16, domain x}',
  ]);
});

it('says host by host what is, what should be and what would run', () => {
  const found = {
    vm0: {
      '00-mesh.supported': { is: 'no', now: 'Debian 9', wanted: 'Debian 12 or newer' },
      '01-mesh.createKey': { is: 'yes' },
      '02-mesh.configure': { is: 'no', now: 'nothing', wanted: 'port 1', commands: 'set -eu\nprintf \u001b[2J' },
      '06-store.initiate': { is: 'no', now: 'no set', wanted: 'a set' },
    },
    vm1: {
      '01-mesh.createKey': { is: 'yes' },
      '05-store.start': { is: 'unknown', why: 'exit code 127' },
      '06-store.initiate': { is: 'no', now: 'no set', wanted: 'a set' },
    },
  } as const;
  expect(printFindings(plan, found)).toBe(`vm0 (ams)
  ! mesh.supported: have a supported kernel
      is      Debian 9
      wanted  Debian 12 or newer
  ~ mesh.configure: configure the mesh
      is      nothing
      wanted  port 1
      | set -eu
      | printf \\x1b[2J
  ~ store.initiate: initiate the set (on one host)
      is      no set
      wanted  a set
  = 1 of 4 as they should be

vm1 (ams)
  ? store.start: start the store
      not known: exit code 127
  ~ store.initiate: initiate the set (on one host)
      is      no set
      wanted  a set
  = 1 of 3 as they should be

vm2 (fra)
  ? did not answer

1 forbid the rollout, 2 to change, 1 not known, 2 as they should be, 1 without an answer
`);
});

it('counts what is for one of several hosts once, and as done where one has done it', () => {
  const no = { is: 'no', now: 'no set', wanted: 'a set' } as const;
  const found = { vm0: { '06-store.initiate': no }, vm1: { '06-store.initiate': { is: 'yes' } }, vm2: {} } as const;
  expect(printFindings(plan, found)).toMatch(/\n1 as they should be\n$/);
  const open = {
    vm0: { '06-store.initiate': no },
    vm1: { '06-store.initiate': { is: 'unknown', why: '' } },
    vm2: {},
  } as const;
  expect(printFindings(plan, open)).toMatch(/\n1 to change\n$/);
});
