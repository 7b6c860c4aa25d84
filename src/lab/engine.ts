import { attempt, type CommandOptions, type Output, run } from './command.ts';

/** A Docker engine that answers, whoever started it. */
export interface Engine {
  /** The socket's URL, or '' for the client's own choice (its context, DOCKER_HOST). */
  host: string;
  /** As Docker names it: amd64, arm64. */
  arch: string;
  version: number;
  cgroupVersion: 1 | 2;
  /** Runs `docker …` and returns its standard output; a LabError unless it ends with 0. */
  docker(argv: readonly string[], options?: CommandOptions): Promise<string>;
  /** The same without an opinion on how it ended. */
  attempt(argv: readonly string[], options?: CommandOptions): Promise<Output>;
}

/** The engine behind `host`, or undefined when none answers there within a few seconds. */
export async function connect(host: string): Promise<Engine | undefined> {
  const env = host === '' ? process.env : { ...process.env, DOCKER_HOST: host };
  const format = '{{.ServerVersion}} {{.Architecture}} {{.CgroupVersion}}';
  const { exitCode, stdout } = await attempt(['docker', 'info', `--format=${format}`], { env, timeoutMs: 10_000 });
  const [version = '', machine = '', cgroup = ''] = stdout.trim().split(' ');
  if (exitCode !== 0 || version === '') return undefined;
  return {
    host,
    arch: ({ x86_64: 'amd64', aarch64: 'arm64' } as Record<string, string>)[machine] ?? machine,
    version: Number.parseInt(version, 10),
    cgroupVersion: cgroup === '2' ? 2 : 1,
    docker: (argv, options) => run(['docker', ...argv], { ...options, env: { ...env, ...options?.env } }),
    attempt: (argv, options) => attempt(['docker', ...argv], { ...options, env: { ...env, ...options?.env } }),
  };
}
