import { beforeAll, describe, expect, it } from 'vitest';
import { exec, type Lab, up } from '../../src/lab/index.ts';
import type { Backup, Kept } from '../../src/roles/backup.ts';
import { inMember, onDemo } from './demo.ts';

let lab: Lab;
let made: readonly (Backup & { readonly kept: Kept })[];
const folder = '/var/lib/farweave/backups';

beforeAll(async () => {
  lab = await up({ progress: () => undefined });
});

describe('a backup', () => {
  it('is taken of two secondaries in different sites while the forum serves', async () => {
    await onPrimary(`db.getSiblingDB('marks').dropDatabase()`); // of a run that has failed
    await mark('before');
    const serving = watchForum();
    const ran = await onDemo('backup', '--json');
    expect(await serving.end()).toEqual([]);
    expect(ran).toMatchObject({ exitCode: 0 });
    made = (JSON.parse(ran.stdout) as { backups: typeof made }).backups;
    expect(made).toHaveLength(2);
    console.log(
      `backup: ${ran.seconds.toFixed(0)} s, ${made.map(({ host, kept }) => `${host} ${kept.bytes} bytes, locked ${kept.locked} s`).join(', ')}`,
    );
    for (const { kept } of made)
      expect(kept).toMatchObject({ version: '4.4.2', sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string });
    expect(made.every(({ kept }) => kept.documents > 50)).toBe(true);
  });

  it('is listed, and leaves nothing else behind', async () => {
    const { stdout } = await onDemo('backup', 'list', '--json');
    const { backups, problems } = JSON.parse(stdout) as { backups: typeof made; problems: readonly unknown[] };
    expect(backups.filter(({ id }) => id === made[0]?.id)).toEqual(made);
    expect(problems).toEqual([]);
    for (const { host } of made) {
      const look = `stat -c %a ${folder}; ls -A ${folder} ${folder}/*; docker ps --all --format '{{.Names}}'; ls -A /dev/shm`;
      const { stdout } = await exec(host, ['sh', '-c', look]);
      expect(stdout.split('\n')[0]).toBe('700');
      expect(stdout).not.toMatch(/farweave-scratch|hold|\.tmp/);
    }
    expect(await locked()).toEqual([0, 0, 0]);
  });

  it('that was damaged is refused with the reason, and the forum serves on', async () => {
    const [{ id, host }] = made as [Backup];
    const archive = `${folder}/${id}/data.tar.gz`;
    const before = await started();
    await exec(host, [
      'sh',
      '-c',
      `cp ${archive} /root/whole && printf damaged | dd of=${archive} bs=1 seek=5000 conv=notrunc`,
    ]);
    try {
      const { exitCode, output } = await onDemo('restore', id, '--from', host, '--yes');
      expect(exitCode).toBe(1);
      expect(output).toMatch(new RegExp(`backup ${id} is damaged: its archive is not the one that was taken`));
      expect(await started()).toEqual(before);
      expect(await statuses()).toEqual([200, 200, 200]);
    } finally {
      await exec(host, ['mv', '/root/whole', archive]);
    }
  });

  it('that nobody has is refused before a host is touched', async () => {
    const { exitCode, output } = await onDemo('restore', '20200101-000000', '--yes');
    expect(exitCode).toBe(2);
    expect(output).toContain('There is no backup 20200101-000000');
  });

  it('brings back what was there, takes away what came later, and the forum serves', async () => {
    await mark('after');
    await onPrimary(`db.getSiblingDB('marks').marks.deleteOne({ _id: 'before' })`);
    const [{ id }] = made as [Backup];
    const ran = await onDemo('restore', id, '--yes');
    expect(ran).toMatchObject({ exitCode: 0 });
    console.log(`restore: ${ran.seconds.toFixed(0)} s`);
    expect(
      await onPrimary(`print(db.getSiblingDB('marks').marks.find().toArray().map((mark) => mark._id).join())`),
    ).toBe('before');
    expect(await statuses()).toEqual([200, 200, 200]);
    expect(await onDemo('apply', '--yes')).toMatchObject({
      exitCode: 0,
      output: expect.stringContaining(' 0 changed') as string,
    });
    await onPrimary(`db.getSiblingDB('marks').dropDatabase()`);
  });
});

const mark = (_id: string) =>
  onPrimary(
    `db.getSiblingDB('marks').marks.replaceOne({ _id: '${_id}' }, {}, { upsert: true, writeConcern: { w: 'majority' } })`,
  );

/** Runs JavaScript on the primary, as its admin. */
async function onPrimary(code: string): Promise<string> {
  for (const [n] of lab.hosts.entries()) {
    const said = await onMember(n, `if (db.hello().isWritablePrimary) { ${code} } else print('not the primary')`);
    if (said !== 'not the primary') return said;
  }
  throw new Error('there is no primary');
}

async function onMember(n: number, code: string): Promise<string> {
  const { stdout: shown } = await onDemo('secrets', 'show', 'mongodb.adminPassword');
  const password = shown.trim();
  const script = `db.getSiblingDB('admin').auth('admin', '${password}'); ${code}`;
  const { exitCode, stdout, stderr } = await inMember(lab.hosts, n, script);
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
  return stdout.trim();
}

/** How often each member is locked. */
const locked = () =>
  Promise.all(
    lab.hosts.map(async (_, n) =>
      Number(await onMember(n, `print(db.getSiblingDB('admin').currentOp().fsyncLock ? 1 : 0)`)),
    ),
  );

const started = () =>
  Promise.all(
    lab.hosts.map(
      async ({ name }, n) =>
        (await exec(name, ['docker', 'inspect', '--format', '{{.Id}} {{.State.StartedAt}}', `node${n}`, 'nodebb']))
          .stdout,
    ),
  );

const statuses = () =>
  Promise.all(lab.hosts.map(async ({ address }) => (await fetch(`http://${address}:4567`, { method: 'HEAD' })).status));

/** Asks all hosts again and again; gives what was not a 200. */
function watchForum() {
  const wrong: string[] = [];
  let ended = false;
  const watching = (async () => {
    while (!ended) {
      const seen = await statuses().catch((error: unknown) => [String(error)]);
      if (seen.some((status) => status !== 200)) wrong.push(seen.join());
      await new Promise((go) => setTimeout(go, 250));
    }
  })();
  return {
    end: async () => {
      ended = true;
      await watching;
      return wrong;
    },
  };
}
