import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TOY, toys } from '../../test/unit/toy.ts';
import { readCluster } from './file.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'farweave-spec-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function reading(content: string | Uint8Array) {
  const path = join(folder, 'cluster.yaml');
  await writeFile(path, content);
  return readCluster(path, { roles: toys });
}

it('reads a file, with a byte order mark or without', async () => {
  expect((await reading(TOY)).cluster.name).toBe('toy');
  expect((await reading(`\uFEFF${TOY}`)).cluster.name).toBe('toy');
});

it('says in which file, and that it is not there', async () => {
  await expect(readCluster(join(folder, 'no.yaml'))).rejects.toThrow(
    `${folder}/no.yaml:1: there is no such file (\`farweave init`,
  );
  await expect(readCluster(folder)).rejects.toThrow(`${folder}:1: is a directory; wants a file`);
});

it('says in which line a text is not UTF-8', async () => {
  const latin = Buffer.concat([Buffer.from('a: 1\nb: '), Buffer.from([0xe9]), Buffer.from('\nc: 1\n')]);
  await expect(reading(latin)).rejects.toThrow('cluster.yaml:2: is not UTF-8 text');
});

it('reads no more than a spec can need', async () => {
  await expect(reading('#'.repeat(1_048_577))).rejects.toThrow('cluster.yaml:1: is larger than 1024 KiB');
  await expect(readCluster('/dev/zero')).rejects.toThrow('/dev/zero:1: is larger than 1024 KiB');
});
