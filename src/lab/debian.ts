import { join } from 'node:path';
import { aptContext, machineMirrors, writeFiles } from './apt.ts';
import { run } from './command.ts';
import type { Engine } from './engine.ts';
import { LabError } from './errors.ts';
import { dockerBuild, type Recipe, recipeFiles } from './image-cache.ts';
import { imageFolder } from './place.ts';
import type { Progress } from './progress.ts';
import { isRoot, packageBuildRequirements, requirePrograms } from './requirements.ts';

/** `published`: base images and MongoDB's program are pulled; `packages`: they are made from package registries. */
export type ImageSource = 'published' | 'packages';
export type DebianRelease = 'bullseye' | 'bookworm' | 'trixie';

const PROBE_MS = 10_000;

/** Finds out whether published images can be had, within seconds and without loading one. */
export async function chooseSource(engine: Engine, progress: Progress): Promise<ImageSource> {
  progress('asking whether published images can be pulled');
  const probe = await engine.attempt(['manifest', 'inspect', publishedBase('trixie')], { timeoutMs: PROBE_MS });
  const source = probe.exitCode === 0 ? 'published' : 'packages';
  progress(
    source === 'published' ? 'images: published ones' : 'images: built from packages (no published ones in reach)',
  );
  return source;
}

/** A bare Debian to build on. */
export function debianBase(engine: Engine, source: ImageSource, release: DebianRelease): Recipe | string {
  if (source === 'published') return publishedBase(release);
  const mirror = machineMirrors()?.archive;
  return {
    name: `debian-${release}`,
    inputs: [release, mirror ?? '', ...Object.values(recipeFiles('debian'))],
    build: async ({ tag, folder }, detail) => {
      if (!isRoot()) {
        throw new LabError(
          'Published images cannot be pulled here, and making images from packages takes root on Debian or Ubuntu',
          'Run as root, or give the Docker engine access to its registry.',
        );
      }
      await requirePrograms(packageBuildRequirements, detail, 'Images are made from packages here');
      const root = join(folder, 'root');
      // In a mount namespace of its own: what debootstrap mounts below the tree is gone with it, even if killed.
      await run(
        [
          'unshare',
          '--mount',
          'debootstrap',
          '--variant=minbase',
          `--arch=${engine.arch}`,
          '--include=ca-certificates',
          release,
          root,
          ...(mirror ? [mirror] : []),
        ],
        { onLine: detail },
      );
      await run(['sh', join(imageFolder, 'debian', 'tidy.sh'), root]);
      const archive = join(folder, 'root.tar');
      await run(['tar', '--sort=name', '--mtime=@0', '--numeric-owner', '-C', root, '-cf', archive, '.']);
      await engine.docker(['import', '--change', 'CMD ["bash"]', archive, tag]);
    },
  };
}

/** Debian plus what the Dockerfile in `image/<folder>` adds; `more` are files that it finds beside those of the folder. */
export async function debianImage(
  engine: Engine,
  source: ImageSource,
  name: string,
  folder: string,
  release: DebianRelease,
  more: Readonly<Record<string, string>> = {},
): Promise<Recipe> {
  const files = { ...recipeFiles(folder), ...(await aptContext(release, source)), ...more };
  return {
    name,
    base: debianBase(engine, source, release),
    inputs: [JSON.stringify(files)],
    build: async (order, detail) => {
      writeFiles(order.folder, files);
      await dockerBuild(engine, order, detail);
    },
  };
}

function publishedBase(release: DebianRelease): string {
  return `debian:${release}-slim`;
}
