import { describe, expect, it, test } from 'vitest';
import { applied, hostAt, network, said } from '../../../test/applied.ts';
import { ReplicaSet } from '../../../test/replica-set.ts';
import type { Stage } from '../../plan/plan.ts';
import { contexts } from '../context.ts';
import { docker } from '../docker/index.ts';
import { mongodb } from './index.ts';
import { quorum, removed, stopped } from './leaving.ts';
import { members } from './set.ts';

const node = (index: number) => `node${index}.farweave.local:27017`;
const nodes = (...indexes: number[]) => indexes.map(node);
const look = (value: object) => said(`farweave ${JSON.stringify(value)}\n`);

/** The set as it is to be: without `leaving`. */
const set = (staying: readonly number[], leaving: readonly number[], more: object = {}) => ({
  replicaSet: 'rs0',
  port: 27017,
  members: nodes(...staying).map((name) => ({ name })),
  leaving: nodes(...leaving).map((name) => ({ name })),
  electionTimeoutMillis: 5000,
  ...more,
});

const well = { state: 'SECONDARY', admin: true, primary: node(0), hosts: nodes(0, 1, 2), voters: nodes(0, 1, 2) };

describe('mongodb.quorum', () => {
  const judged = (seen: object, args = set([1, 2], [0])) => quorum.judge(look(seen), hostAt(1), args, {});

  test.each([
    ['all answer', well],
    ['the one that leaves is dead, and there is a new primary', { ...well, primary: node(1), ailing: nodes(0) }],
    ['it is the primary, dead, and nobody is elected yet', { ...well, primary: undefined, ailing: nodes(0) }],
    ['it is in no set yet', { state: 'absent' }],
    ['it is down itself, which others know of', { state: 'down' }],
  ])('lets members leave where %s', (_, seen) => {
    expect(judged(seen)).toEqual({ is: 'yes' });
  });

  it('says with numbers that too few would be left', () => {
    expect(judged({ ...well, ailing: nodes(2) }, set([1, 2], [0]))).toEqual({
      is: 'no',
      now: '2 of 3 voters would be left, 1 of them answers',
      wanted: '2, a majority: bring a host back first, or force it',
    });
  });

  it('says with numbers that there is no primary', () => {
    expect(judged({ ...well, primary: undefined, ailing: nodes(0, 2) })).toEqual({
      is: 'no',
      now: 'no primary: 1 of 3 voters answer',
      wanted: '2, which elect one: bring a host back first, or force it',
    });
  });

  it('counts the members that come in place of those that go', () => {
    const seen = { ...well, primary: node(1), ailing: nodes(0) };
    expect(judged(seen, set([1, 2, 3], [0]))).toEqual({ is: 'yes' });
    expect(judged({ ...well, hosts: nodes(0), voters: nodes(0) }, set([1], [0]))).toEqual({ is: 'yes' });
  });

  it('knows nothing where it cannot log in', () => {
    expect(judged({ ...well, admin: false }).is).toBe('unknown');
  });
});

describe('mongodb.removed judges', () => {
  test.each([
    ['a member that still stands in the configuration', well, {}, 'no'],
    ['one that does not', { ...well, hosts: nodes(1, 2) }, {}, 'yes'],
    ['one that answers, where only silent ones go', well, { silent: true }, 'yes'],
    ['one that is silent', { ...well, ailing: nodes(0) }, { silent: true }, 'no'],
    ['a new host', { state: 'absent' }, {}, 'yes'],
    ['a member that is down', { state: 'down' }, {}, 'unknown'],
    ['a member that is down, of which others know', { state: 'down' }, { silent: true }, 'yes'],
  ])('%s', (_, seen, which, is) => {
    expect(removed.judge(look(seen), hostAt(1), set([1, 2], [0], which), {}).is).toBe(is);
  });
});

describe('members leave', () => {
  /** What happens to a set where a member that stays is told to do without others. */
  function leave(replicas: ReplicaSet, staying: readonly number[], leaving: readonly number[], more: object = {}) {
    const local = staying[0]!;
    const { said: lines, exitCode } = replicas.run(
      applied(removed, hostAt(local), set(staying, leaving, more)),
      node(local),
    );
    return { log: replicas.log, exitCode, last: lines.at(-1), left: replicas.config.members.map(({ host }) => host) };
  }

  it('one at a time, the primary last and after it has handed over', () => {
    const { log, left } = leave(new ReplicaSet(nodes(0, 1, 2, 3, 4)), [2, 3, 4], [0, 1]);
    expect(log).toEqual(['- node1', 'step down node0', 'elected node2', '- node0']);
    expect(left).toEqual(nodes(2, 3, 4));
  });

  it('without a word where they are dead', () => {
    const { log, exitCode } = leave(new ReplicaSet(nodes(0, 1, 2)).kill(node(0)), [1, 2], [0]);
    expect(log).toEqual(['elected node1', '- node0']);
    expect(exitCode).toBe(0);
  });

  it('only where they are silent, if so told', () => {
    const { log } = leave(new ReplicaSet(nodes(0, 1, 2, 3, 4)).kill(node(4)), [1, 2, 3], [0, 4], { silent: true });
    expect(log).toEqual(['- node4']);
  });

  it('once: who finds them gone has nothing to do', () => {
    expect(leave(new ReplicaSet(nodes(1, 2)), [1, 2], [0]).log).toEqual([]);
  });

  it('not as long as nobody could take over from the primary', () => {
    const replicas = new ReplicaSet(nodes(0, 1, 2));
    for (const host of nodes(1, 2)) replicas.behind.set(host, 60);
    const { log, exitCode, last } = leave(replicas, [1, 2], [0]);
    expect([log, exitCode]).toEqual([[], 1]);
    expect(last).toMatch(/^none of node1\S+, node2\S+ is within 10 s of the primary node0/);
  });

  it('not without a primary', () => {
    const { log, exitCode, last } = leave(new ReplicaSet(nodes(0, 1, 2)).kill(node(0)).kill(node(1)), [2], [0, 1]);
    expect([log, exitCode, last]).toEqual([[], 1, 'the replica set has no primary']);
  });

  it('without a primary by force, all at once', () => {
    const dead = new ReplicaSet(nodes(0, 1, 2)).kill(node(0)).kill(node(1));
    expect(leave(dead, [2], [0, 1], { forced: true }).log).toEqual(['force - node0', 'force - node1', 'elected node2']);
  });

  it('as ever where force is allowed and there is a primary', () => {
    const { log } = leave(new ReplicaSet(nodes(0, 1, 2)), [1, 2], [0], { forced: true });
    expect(log).toEqual(['step down node0', 'elected node1', '- node0']);
  });
});

describe('members join', () => {
  function join(replicas: ReplicaSet, all: readonly number[], leaving: readonly number[], local: number) {
    for (const name of nodes(...all))
      if (!replicas.config.members.some(({ host }) => host === name)) replicas.fresh.add(name);
    replicas.run(applied(members, hostAt(local), set(all, leaving)), node(local));
    return replicas.log;
  }

  it('one after the other, each without a vote until it has caught up', () => {
    expect(join(new ReplicaSet(nodes(0, 1, 2)), [0, 1, 2, 3, 4], [], 0)).toEqual([
      '+ node3',
      'vote node3',
      '+ node4',
      'vote node4',
    ]);
  });

  it('where a rollout before has left off', () => {
    const replicas = new ReplicaSet(nodes(0, 1, 2, 3));
    Object.assign(replicas.config.members[3]!, { votes: 0, priority: 0 });
    expect(join(replicas, [0, 1, 2, 3], [], 0)).toEqual(['vote node3']);
  });

  it('in the place of one that leaves where no more than seven may vote', () => {
    const replicas = new ReplicaSet(nodes(0, 1, 2, 3, 4, 5, 6));
    expect(join(replicas, [1, 2, 3, 4, 5, 6, 7], [0], 7)).toEqual([
      '+ node7',
      'step down node0',
      'elected node1',
      '- node0',
      'vote node7',
    ]);
  });
});

describe('the role', () => {
  const hosts = [0, 1, 2, 3].map((index) => hostAt(index));
  const sections = { docker: docker.config.parse({}), mongodb: mongodb.config.parse({}) };
  const stagesOf = (forced = false) => {
    const leaving = { hosts: hosts.slice(0, 1), sections, forced };
    const layout = { cluster: 'demo', sites: {}, hosts: hosts.slice(1), network, sections, leaving };
    const context = contexts(layout, [docker, mongodb])(mongodb);
    return { before: mongodb.stages(sections.mongodb, context), after: mongodb.leave!(sections.mongodb, context) };
  };
  const told = ({ operation, hosts: on, args }: Stage) => [
    operation,
    on.join(' '),
    (args as { leaving?: readonly { name: string }[] }).leaving?.map(({ name }) => name),
  ];

  it('asks those that stay, drops dead members before all else and the others at the end', () => {
    const { before, after } = stagesOf();
    const about = before.filter(({ operation }) => /quorum|removed|start/.test(operation)).map(told);
    expect(about).toEqual([
      ['mongodb.quorum', 'vm1 vm2 vm3', [node(0)]],
      ['mongodb.removed', 'vm1 vm2 vm3', [node(0)]],
      ['mongodb.start', 'vm1 vm2 vm3', undefined],
    ]);
    expect(after.map(told)).toEqual([
      ['mongodb.removed', 'vm1 vm2 vm3', [node(0)]],
      ['mongodb.stopped', 'vm0', undefined],
    ]);
  });

  it('does without its quorum only where somebody forces it', () => {
    const { before, after } = stagesOf(true);
    expect(before.map(({ operation }) => operation)).not.toContain('mongodb.quorum');
    expect(after[0]?.args).toMatchObject({ forced: true });
  });
});

test.each([
  ['stopped', '', 'yes'],
  ['running', 'node0\n', 'no'],
])('mongodb.stopped judges a member that is %s', (_, stdout, is) => {
  expect(stopped.judge(said(stdout), hostAt(0), {}, {}).is).toBe(is);
  expect(stopped.judge(said('', 1, 'no daemon'), hostAt(0), {}, {})).toEqual({ is: 'unknown', why: 'no daemon' });
});
