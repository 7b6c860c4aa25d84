import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { loadConfig } from './config.ts';

let folder: string;
let env: Record<string, string>;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'farweave-config-'));
  env = { TEMPORAL_CONFIG_FILE: join(folder, 'temporal.toml'), HOME: folder };
  writeFileSync(env['TEMPORAL_CONFIG_FILE']!, '[profile.far]\naddress = "far:7233"\nnamespace = "moon"\n');
});
afterEach(() => rmSync(folder, { recursive: true }));

function secrets(content: string, mode = 0o600): void {
  env['FARWEAVE_WORKER_SECRETS'] = join(folder, 'secrets.json');
  writeFileSync(env['FARWEAVE_WORKER_SECRETS'], content);
  chmodSync(env['FARWEAVE_WORKER_SECRETS'], mode);
}

it('works without any: a server on this machine', () => {
  expect(loadConfig(env)).toEqual({
    connection: expect.objectContaining({ address: 'localhost:7233' }) as object,
    namespace: 'default',
    taskQueue: 'farweave',
    state: resolve('.farweave'),
    concurrency: 100,
    entries: {},
  });
});

it("takes server and namespace from Temporal's profiles, and the environment before them", () => {
  env['TEMPORAL_PROFILE'] = 'far';
  expect(loadConfig(env)).toMatchObject({ connection: { address: 'far:7233' }, namespace: 'moon' });
  env['TEMPORAL_ADDRESS'] = 'near:7233';
  expect(loadConfig(env)).toMatchObject({ connection: { address: 'near:7233' }, namespace: 'moon' });
});

it('takes the site whose hosts it works on, and how much of them it may use at once', () => {
  const limits = { FARWEAVE_RATE: '50', FARWEAVE_SESSIONS: '20', FARWEAVE_STARTS_PER_SECOND: '5' };
  expect(loadConfig({ ...env, FARWEAVE_SITE: 'ams', ...limits })).toMatchObject({
    site: 'ams',
    taskQueue: 'farweave',
    rate: 50,
    limits: { sessions: 20, startsPerSecond: 5 },
  });
});

it('names the variable that is wrong', () => {
  expect(() => loadConfig({ ...env, FARWEAVE_CONCURRENCY: 'many' })).toThrow('FARWEAVE_CONCURRENCY');
});

it('reads the allowlist of secrets, unless others may read it too', () => {
  secrets('{"BACKUP": "s3cret"}');
  expect(loadConfig(env).entries).toEqual({ BACKUP: 's3cret' });
  secrets('{"BACKUP": "s3cret"}', 0o644);
  expect(() => loadConfig(env)).toThrow('chmod 600');
});

it.each(['["s3cret"]', '{"BACKUP": 1}', 's3cret'])(
  'refuses an allowlist that is none, without showing it: %s',
  (content) => {
    secrets(content);
    expect(() => loadConfig(env)).toThrow(/^(?!.*s3cret).*is not a JSON object of names and texts$/);
  },
);
