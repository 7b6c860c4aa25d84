import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { attempt, run } from './command.ts';
import { LabError } from './errors.ts';
import { type Progress, step } from './progress.ts';

/** What the lab needs here and the Debian package that brings it. */
interface Requirement {
  /** A program to be found on the PATH, or a file. */
  program: string;
  package: string;
  /** Brings it where that package has been split. */
  otherwise?: string;
}

export const engineRequirements: readonly Requirement[] = [
  { program: 'docker', package: 'docker.io', otherwise: 'docker-cli' },
  { program: 'dockerd', package: 'docker.io' },
  { program: 'iptables', package: 'iptables' },
  { program: 'ip', package: 'iproute2' },
];

export const packageBuildRequirements: readonly Requirement[] = [
  { program: 'debootstrap', package: 'debootstrap' },
  { program: '/usr/share/keyrings/debian-archive-keyring.gpg', package: 'debian-archive-keyring' },
  { program: 'npm', package: 'npm' },
  { program: 'python3', package: 'python3' },
];

/**
 * Makes sure the programs are there: names what is missing, then installs it where that is ours to do.
 * Where it is not, rejects with a LabError that says `why` it is needed and what to do, which `instead` begins.
 */
export async function requirePrograms(
  needs: readonly Requirement[],
  progress: Progress,
  why: string,
  instead = 'Start a Docker engine that your user may use',
): Promise<void> {
  const missing = [...new Set(needs.filter((need) => !onPath(need.program)).map((need) => need.package))];
  if (needs === packageBuildRequirements && (await attempt(['python3', '-m', 'pip', '--version'])).exitCode !== 0) {
    missing.push('python3-pip');
  }
  if (missing.length === 0) return;
  if (!isRoot() || !onPath('apt-get')) throw cannotInstall(missing, why, instead);
  await step(progress, `installing packages that are missing here: ${missing.join(' ')}`, async (detail) => {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const apt = ['apt-get', '-q', '-y', '-o', 'DPkg::Lock::Timeout=300']; // another apt may be at work
    await attempt([...apt, 'update'], { env, onLine: detail });
    await run([...apt, 'install', '--no-install-recommends', ...missing], { env, onLine: detail });
    const left = needs.flatMap(({ program, otherwise }) => (otherwise && !onPath(program) ? [otherwise] : []));
    if (left.length > 0) await run([...apt, 'install', '--no-install-recommends', ...left], { env, onLine: detail });
  });
}

export function isRoot(): boolean {
  return process.platform === 'linux' && process.getuid?.() === 0;
}

function onPath(program: string): boolean {
  if (program.startsWith('/')) return existsSync(program);
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function cannotInstall(missing: readonly string[], why: string, instead: string): LabError {
  return new LabError(
    `${why}, and this needs ${missing.join(', ')}`,
    process.platform === 'darwin'
      ? 'Start a Docker engine (Docker Desktop, OrbStack, colima) and try again.'
      : `${instead}, or run as root: apt-get install ${missing.join(' ')}`,
  );
}
