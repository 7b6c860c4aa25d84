import { debianImage, type ImageSource } from './debian.ts';
import type { Engine } from './engine.ts';
import { findLab } from './lab.ts';
import type { Progress } from './progress.ts';
import { fillRegistry, type ServedImage } from './registry.ts';
import { registryOf } from './view.ts';

/** Debian's packages in place of published images that a registry on the internet has. */
const SERVICES = {
  'redis:8.2': { packages: ['redis-server'], program: '' },
  'python:3.13-slim': { packages: ['python3'], program: '' },
  'quay.io/prometheus/node-exporter:v1.9.1': {
    packages: ['prometheus-node-exporter'],
    program: 'prometheus-node-exporter',
  },
  'quay.io/prometheus/prometheus:v3.5.0': { packages: ['prometheus'], program: 'prometheus' },
} as const;

/** A published image of which the lab has one like it. */
type ServiceImage = keyof typeof SERVICES;

/**
 * Makes images like those that the examples of stacks of one's own name, and has the lab's registry serve them.
 * Returns under what names: published image → name to pull. Only on demand, since the demo does without.
 */
export async function serveServices({ progress }: { progress: Progress }): Promise<Record<ServiceImage, string>> {
  const { engine, state } = await findLab();
  const images = await serviceImages(engine, state.source);
  await fillRegistry(engine, state.id, images, progress);
  const names = Object.entries(images).map(([published, { repository }]) => [
    published,
    `${registryOf(state)}/${repository}`,
  ]);
  return Object.fromEntries(names) as Record<ServiceImage, string>;
}

async function serviceImages(engine: Engine, source: ImageSource): Promise<Readonly<Record<string, ServedImage>>> {
  const entries = Object.entries(SERVICES).map(async ([published, { packages, program }]) => {
    const [name = '', tag = ''] = (published.split('/').at(-1) ?? '').split(':');
    const recipe = await debianImage(engine, source, name, 'service', 'trixie', {
      packages: `${packages.join(' ')}\n`,
      'docker-entrypoint.sh': `#!/bin/sh\nexec ${program} "$@"\n`,
    });
    return [published, { repository: `farweave-lab/${name}:${tag}`, recipe }] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}
