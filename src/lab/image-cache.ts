import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Engine } from './engine.ts';
import { withLock } from './lock.ts';
import { cacheFolder, imageFolder } from './place.ts';
import { type Progress, step } from './progress.ts';

const KEEP_MS = 14 * 24 * 3_600_000;

export interface Recipe {
  /** Short name, for people and for the image's tag. */
  name: string;
  /** What it is built on: another recipe's image, or a published image by its name. */
  base?: Recipe | string;
  /** All texts that decide what comes out. Their hash is part of the tag, so a changed recipe is another image. */
  inputs: readonly string[];
  /** Makes the image in the engine. */
  build(order: BuildOrder, detail: Progress): Promise<void>;
}

export interface BuildOrder {
  tag: string;
  /** Tag of the image to build on; '' when the recipe has no base. */
  base: string;
  /** Empty, and gone afterwards. */
  folder: string;
}

/** The tag of a recipe's image, whether it has been built or not. */
export function tagOf(recipe: Recipe | string, arch: string): string {
  if (typeof recipe === 'string') return recipe;
  const base = recipe.base === undefined ? '' : tagOf(recipe.base, arch);
  return `farweave-lab/${recipe.name}:${digest([arch, base, ...recipe.inputs])}`;
}

/** Returns the tag of the recipe's image, which is in the engine then: from before, from the cache, or newly built. */
export async function ensureImage(engine: Engine, recipe: Recipe, progress: Progress): Promise<string> {
  const tag = tagOf(recipe, engine.arch);
  const key = tag.replace('farweave-lab/', '').replace(':', '-');
  const archive = join(cacheFolder, 'images', `${key}.tar`);
  const isThere = async () => (await engine.attempt(['image', 'inspect', tag])).exitCode === 0;
  if (await isThere()) {
    markUsed(archive);
    return tag;
  }

  return withLock(`${archive}.lock`, progress, async () => {
    if (await isThere()) return tag;
    if (existsSync(archive)) {
      await step(progress, `loading image ${recipe.name} from the cache`, () => engine.docker(['load', '-i', archive]));
      markUsed(archive);
      return tag;
    }
    const base = typeof recipe.base === 'object' ? await ensureImage(engine, recipe.base, progress) : recipe.base;
    const folder = freshFolder(key);
    await step(progress, `building image ${recipe.name}`, (detail) =>
      recipe.build({ tag, base: base ?? '', folder }, detail),
    );
    await step(progress, `keeping image ${recipe.name} in the cache`, () =>
      engine.docker(['save', '-o', `${archive}.part`, tag]),
    );
    renameSync(`${archive}.part`, archive);
    rmSync(folder, { recursive: true, force: true });
    await forgetUnused(engine);
    return tag;
  });
}

function markUsed(archive: string): void {
  if (existsSync(archive)) utimesSync(archive, new Date(), new Date());
}

/** Recipes change and every image is some hundred megabytes: what no lab has used for long goes. */
async function forgetUnused(engine: Engine): Promise<void> {
  const folder = join(cacheFolder, 'images');
  for (const name of readdirSync(folder)) {
    if (Date.now() - statSync(join(folder, name)).mtimeMs < KEEP_MS) continue;
    rmSync(join(folder, name), { force: true });
    const [, image, hash] = /^(.+)-([0-9a-f]{12})\.tar/.exec(name) ?? [];
    await engine.attempt(['image', 'rm', `farweave-lab/${image}:${hash}`]);
  }
}

/** A folder of its own for a build; what a killed one left behind goes, even if a child of it still writes there. */
function freshFolder(key: string): string {
  const builds = join(cacheFolder, 'build');
  mkdirSync(builds, { recursive: true });
  for (const left of readdirSync(builds).filter((name) => name.startsWith(`${key}-`))) {
    rmSync(join(builds, left), { recursive: true, force: true, maxRetries: 3 });
  }
  return mkdtempSync(join(builds, `${key}-`));
}

/** A short content hash. */
export function digest(texts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(texts)).digest('hex').slice(0, 12);
}

/** Builds the Dockerfile in the order's folder. On the machine's network: the lab's engine has no default bridge. */
export async function dockerBuild(engine: Engine, order: BuildOrder, detail: Progress): Promise<void> {
  const buildx = (await engine.attempt(['buildx', 'version'])).exitCode === 0;
  const argv = ['build', ...(buildx ? ['--progress', 'plain'] : []), '--network=host', '--force-rm'];
  await engine.docker([...argv, `--build-arg=BASE=${order.base}`, '--tag', order.tag, order.folder], {
    onLine: detail,
    env: { DOCKER_BUILDKIT: buildx ? '1' : '0' },
  });
}

/** The texts of a recipe's own files, by path, so that a change of one of them changes the hash. */
export function recipeFiles(name: string): Record<string, string> {
  const folder = join(imageFolder, name);
  return Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map((file) => [file, readFileSync(join(folder, file), 'utf8')]),
  );
}
