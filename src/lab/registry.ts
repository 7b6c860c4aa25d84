import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine } from './engine.ts';
import { LabError } from './errors.ts';
import { digest, ensureImage, type Recipe, tagOf } from './image-cache.ts';
import { gatewayOf } from './names.ts';
import { type Progress, step } from './progress.ts';

/** What the lab's registry serves: the name that roles pull, and how its image is made. */
export interface ServedImage {
  readonly repository: string;
  readonly recipe: Recipe;
}

type Images = Readonly<Record<string, ServedImage>>;

const VOLUME = 'farweave-lab-registry';
const MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';

/** The volume that holds what the registry serves: one for each set of images, so that labs share it without mixing. */
export function registryVolume(images: Images, arch: string): string {
  return `${VOLUME}-${digest(Object.values(images).map(({ recipe }) => tagOf(recipe, arch)))}`;
}

/** Makes the images and puts them into the lab's registry, as far as they are not there. */
export async function fillRegistry(engine: Engine, id: string, images: Images, progress: Progress): Promise<void> {
  // By the loopback address: only there does every engine take a registry without TLS.
  const registry = await publishedRegistry(engine, id);
  for (const { repository, recipe } of Object.values(images)) {
    if (await serves(registry, repository)) continue;
    const tag = await ensureImage(engine, recipe, progress);
    await step(progress, `putting ${repository} into the lab's registry`, async (detail) => {
      await engine.docker(['tag', tag, `${registry}/${repository}`]);
      await engine.docker(['push', `${registry}/${repository}`], { onLine: detail });
      await engine.docker(['image', 'rm', `${registry}/${repository}`]);
    });
    await removeUnusedVolumes(engine);
  }
}

/** Removes what registries of earlier sets of images held. Docker refuses for those that a lab still uses. */
async function removeUnusedVolumes(engine: Engine): Promise<void> {
  const names = await engine.docker(['volume', 'ls', '-q', '--filter', `name=${VOLUME}`, '--filter', 'dangling=true']);
  for (const name of names.split('\n').filter(Boolean)) await engine.attempt(['volume', 'rm', name]);
}

/** Makes the images without serving them. */
export async function buildAll(engine: Engine, images: Images, progress: Progress): Promise<void> {
  for (const { recipe } of Object.values(images)) await ensureImage(engine, recipe, progress);
}

/** Where this machine reaches the registry; waits until it answers. */
async function publishedRegistry(engine: Engine, id: string): Promise<string> {
  const address = (await engine.docker(['port', gatewayOf(id), '5000/tcp'])).split('\n')[0] ?? '';
  for (const end = Date.now() + 20_000; Date.now() < end; await sleep(100)) {
    const answer = await fetch(`http://${address}/v2/`).catch(() => undefined);
    if (answer?.ok) return address;
  }
  throw new LabError("The lab's registry does not answer", `See \`docker logs ${gatewayOf(id)}\`.`);
}

async function serves(registry: string, repository: string): Promise<boolean> {
  const [name, tag] = repository.split(':');
  const headers = { accept: MANIFEST };
  const answer = await fetch(`http://${registry}/v2/${name}/manifests/${tag}`, { method: 'HEAD', headers });
  return answer.ok;
}
