import { spawn } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';
import { delimiter } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LabError } from './errors.ts';

export interface Output {
  exitCode: number;
  stdout: string;
  stderr: string;
}

export interface CommandOptions {
  stdin?: string | Buffer | undefined;
  env?: NodeJS.ProcessEnv | undefined;
  cwd?: string | undefined;
  signal?: AbortSignal | undefined;
  timeoutMs?: number | undefined;
  /** Gets every line of both streams as it comes. */
  onLine?: ((line: string) => void) | undefined;
}

/** A process that was started earlier, by pid and start time: a pid alone may have been given to another process. */
export interface ProcessMark {
  pid: number;
  started: string;
}

/** Runs `argv` and returns how it ended; exit code 127 when the program is not there, 128 when a signal ended it. */
export function attempt(argv: readonly string[], options: CommandOptions = {}): Promise<Output> {
  const [file = '', ...args] = argv;
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      cwd: options.cwd,
      env: withSystemPath(options.env ?? process.env),
      signal: options.signal,
      timeout: options.timeoutMs,
      stdio: [options.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    const streams = { stdout: collect(child.stdout, options.onLine), stderr: collect(child.stderr, options.onLine) };
    child.stdin?.on('error', () => undefined); // the program may end before it has read all
    child.stdin?.end(options.stdin);
    child.on('error', (error) => resolve({ exitCode: 127, stdout: '', stderr: error.message }));
    child.on('close', (code) => resolve({ exitCode: code ?? 128, stdout: streams.stdout(), stderr: streams.stderr() }));
  });
}

/** A root that came by plain `su` has the user's PATH, without the programs of administrators. */
const withSystemPath = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  ...env,
  PATH: [env.PATH, '/usr/sbin', '/sbin'].filter(Boolean).join(delimiter),
});

/** Runs `argv` and returns its standard output; anything but exit code 0 is a LabError with the last lines of output. */
export async function run(argv: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { exitCode, stdout, stderr } = await attempt(argv, options);
  options.signal?.throwIfAborted();
  if (exitCode !== 0) {
    const tail = (stderr.trim() || stdout.trim()).split('\n').slice(-12).join('\n');
    throw new LabError(`${argv.join(' ').slice(0, 200)}: exit code ${exitCode}`, tail);
  }
  return stdout;
}

/** Starts a process that outlives this one, its output appended to `logFile`. */
export function startDetached(argv: readonly string[], logFile: string): ProcessMark {
  const [file = '', ...args] = argv;
  const log = openSync(logFile, 'a');
  const env = withSystemPath(process.env);
  const child = spawn(file, args, { detached: true, stdio: ['ignore', log, log], cwd: '/', env });
  child.on('error', () => undefined); // whoever waits for the process to answer reports it, with the log's name
  child.unref();
  return { pid: child.pid ?? -1, started: startTime(child.pid ?? -1) ?? '' };
}

export function isAlive(mark: ProcessMark): boolean {
  return mark.started !== '' && startTime(mark.pid) === mark.started;
}

/** Ends the marked process, and only that one: politely, then after `graceMs` by force. */
export async function stopProcess(mark: ProcessMark, graceMs = 15_000): Promise<void> {
  for (const [signal, patience] of [['SIGTERM', graceMs] as const, ['SIGKILL', 2_000] as const]) {
    if (!isAlive(mark)) return;
    process.kill(mark.pid, signal);
    for (const end = Date.now() + patience; Date.now() < end && isAlive(mark); ) await sleep(50);
  }
}

export function markOfThisProcess(): ProcessMark {
  return { pid: process.pid, started: startTime(process.pid) ?? '' };
}

/** Start time in clock ticks since boot; undefined when there is no such process (or it is a zombie). */
function startTime(pid: number): string | undefined {
  if (process.platform !== 'linux') return isRunning(pid) ? 'unknown' : undefined;
  try {
    // The second field is the program's name in parentheses and may hold spaces; the state follows it.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function collect(stream: NodeJS.ReadableStream | null, onLine: ((line: string) => void) | undefined): () => string {
  const chunks: Buffer[] = [];
  stream?.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    if (onLine) for (const line of chunk.toString().split(/[\r\n]+/)) if (line.trim()) onLine(line);
  });
  return () => Buffer.concat(chunks).toString();
}
