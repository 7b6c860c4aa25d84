import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { devFiles } from '../../src/client/dev/state.ts';
import { play, type Scene } from './canary/scene.ts';
import { Search } from './canary/search.ts';

const ends: (() => unknown)[] = [];
let scene: Scene;
let search: Search;
/** Workflows that there are, with their histories as text. */
let histories: readonly { readonly id: string; readonly run: string; readonly history: string }[];

beforeAll(async () => {
  scene = await play(ends);
  search = new Search(scene.wanted);
  histories = await historiesOf(scene);
});
afterAll(async () => {
  for (const end of ends.toReversed()) await end();
});

it('has rolled out what it was to, after a failure, with every kind of secret', () => {
  const { said } = scene;
  const isFailing = (command: string) => ['watch', 'watch 1'].includes(command);
  expect(Object.entries(said).filter(([command, { exitCode }]) => exitCode !== (isFailing(command) ? 1 : 0))).toEqual(
    [],
  );
  expect(said['watch']!.out).toContain('refused: ***');
  expect(Object.keys(scene.wanted)).toEqual([
    'login',
    'sudo',
    'token',
    'entry',
    'sealed',
    'token, its beginning',
    'key',
    'key, later',
    'control',
    'generated',
  ]);
});

describe('a secret stands, in no form, in', () => {
  it('the database of the server, where a text that is no secret does', () => {
    const { data, folder } = devFiles(scene.state);
    expect(new Set(search.inDatabase(data).map((hit) => hit.split(': ')[1]))).toEqual(new Set(['control']));
    expect(new Set(search.inFolder(folder).map((hit) => hit.split(': ')[1]))).toEqual(new Set(['control']));
  });

  it('histories, where a text that is no secret does', () => {
    expect(histories.length).toBeGreaterThan(4);
    expect(search.in(histories.map(({ history }) => history).join('\n'))).toEqual(['control']);
  });

  it('the Web UI: its pages and what they fetch, where a text that is no secret does', async () => {
    const { ui, http } = scene.embedded;
    const found = new Set<string>();
    for (const { id, run } of histories) {
      const workflow = `/api/v1/namespaces/default/workflows/${encodeURIComponent(id)}`;
      const pages = [
        `${ui}/namespaces/default/workflows/${encodeURIComponent(id)}/${run}/history`,
        ...[ui, http].flatMap((base) => [
          `${base}/api/v1/namespaces/default/workflows`,
          `${base}${workflow}?execution.runId=${run}`,
          `${base}${workflow}/history?execution.runId=${run}`,
          `${base}${workflow}/history-reverse?execution.runId=${run}`,
        ]),
      ];
      for (const page of pages) {
        const response = await fetch(page);
        expect({ page, status: response.status }).toEqual({ page, status: 200 });
        for (const name of search.in(decoded(await response.text()))) found.add(name);
      }
    }
    expect([...found]).toEqual(['control']);
  });

  it('what workflows answer to queries', async () => {
    const queries = ['status', 'belongings', 'progress', 'plan', '__temporal_workflow_metadata', '__stack_trace'];
    const answers = histories.flatMap(({ id, run }) =>
      queries.map((query) =>
        scene.farweave.client.workflow
          .getHandle(id, run)
          .query(query)
          .catch(() => undefined),
      ),
    );
    const told = (await Promise.all(answers)).filter((answer) => answer !== undefined);
    expect(told.length).toBeGreaterThan(4);
    expect(search.in(JSON.stringify(told))).toEqual(['control']);
  });

  it('the state folder and the logs of server and worker', () => {
    const hits = search.inFolder(scene.state, (file) => file.startsWith('dev/temporal.db'));
    expect(hits).toEqual([]);
  });

  it('anything that a command has said', () => {
    const hits = Object.entries(scene.said).flatMap(([command, { out, err }]) =>
      search.in(out + err).flatMap((name) => (name === 'control' ? [] : [`${command}: ${name}`])),
    );
    expect(hits).toEqual([]);
  });

  it('arguments of any process of the machine, where a text that is no secret does', () => {
    const { sweeps, sightings } = scene.sampled;
    expect(sweeps).toBeGreaterThan(100);
    const names = sightings.flatMap(({ file, name }) => (file === 'cmdline' ? [name] : []));
    expect([...new Set(names)]).toEqual(['control']);
  });

  it('the environment of any process, save that of the command it was given to and of the scripts that are to have it', () => {
    const { host, sampled } = scene;
    const others = sampled.sightings.filter(
      ({ file, name, namespace, command }) =>
        file === 'environ' &&
        namespace !== host.namespace &&
        !(name.startsWith('token') && command.includes('client/main')),
    );
    expect(others).toEqual([]);
    const ofHost = sampled.sightings.filter(
      ({ file, namespace }) => file === 'environ' && namespace === host.namespace,
    );
    expect(ofHost.map(({ name }) => name)).toContain('control');
    expect(ofHost.map(({ name }) => name)).not.toContain('sudo');
  });

  it('what the rollouts have left on the host', () => {
    const { folder } = scene.host;
    expect(search.inFolder(folder).filter((hit) => !hit.endsWith(': control'))).toEqual([]);
    expect(search.inFolder(join(folder, 'var/lib')).length).toBeGreaterThan(0);
  });
});

async function historiesOf({ farweave: { client } }: Scene) {
  const found = [];
  for await (const { workflowId: id, runId: run } of client.workflow.list()) {
    const history = await client.workflow.getHandle(id, run).fetchHistory();
    found.push({ id, run, history: spoken(history) });
  }
  return found;
}

/** All texts in something, payloads in the open. */
function spoken(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  if (typeof value === 'object' && value !== null) return Object.values(value).map(spoken).join('\n');
  return String(value);
}

/** JSON of payloads, with what is base64 in it in the open as well. */
function decoded(json: string): string {
  const inner = json.match(/"[A-Za-z0-9+/]{16,}={0,2}"/g) ?? [];
  return [json, ...inner.map((text) => Buffer.from(text.slice(1, -1), 'base64').toString())].join('\n');
}
