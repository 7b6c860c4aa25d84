import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Runs a program to its end and gives what it wrote to stdout. Rejects, with the end of what it said, where it fails. */
export async function program(
  command: string,
  args: readonly string[],
  { input = '', ...options }: { readonly input?: string; readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  const child = spawn(command, args, { ...options, stdio: 'pipe' });
  let [out, all] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    all += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    all += text;
  });
  child.stdin.on('error', () => {}).end(input);
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  if (code !== 0) throw new Error(`${command} has ended with ${code ?? signal}:\n${all.slice(-2_000)}`);
  return out;
}
