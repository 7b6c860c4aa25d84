import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { At } from '../../command.ts';
import { bringAlong } from './file.ts';

const TEXT = `# ours
apiVersion: farweave.dev/v1
kind: Cluster
metadata: { name: forum }
sites: { ams: {}, fra: {} }
access: { password: { env: PASSWORD } }
hosts:
  - { name: vm0, site: ams, address: 192.0.2.10 }
roles: {}
`;
const change = { add: [{ name: 'vm3', site: 'fra', address: '192.0.2.13' }] };
let cwd: string;
let said: string;
let at: At;

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'farweave-file-'));
  await writeFile(join(cwd, 'cluster.yaml'), TEXT);
  said = '';
  const io = { cwd, err: { write: (text: string) => void (said += text) } };
  at = { io, global: { file: 'cluster.yaml' }, self: 'farweave' } as unknown as At;
});
afterEach(() => rm(cwd, { recursive: true }));

const text = () => readFile(join(cwd, 'cluster.yaml'), 'utf8');

it('writes a host into the file, and takes it out again where nothing came of it', async () => {
  const brought = await bringAlong(at, change);
  expect(await text()).toContain('vm3');
  expect(await text()).toContain('# ours');
  await brought?.undo();
  expect(await text()).toBe(TEXT);
  expect(await readdir(cwd)).toEqual(['cluster.yaml']);
});

it('leaves a file alone that somebody has edited since', async () => {
  const brought = await bringAlong(at, change);
  await writeFile(join(cwd, 'cluster.yaml'), `${await text()}# mine\n`);
  await brought?.undo();
  expect(await text()).toContain('vm3');
});

it('leaves a file alone that says so already, and says why', async () => {
  await bringAlong(at, change);
  const once = await text();
  expect(await bringAlong(at, change)).toBeUndefined();
  expect(await text()).toBe(once);
  expect(said).toContain('cluster.yaml is left as it is: vm3 is there already.');
});
