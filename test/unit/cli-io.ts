import { run } from '../../src/client/cli.ts';
import type { Io } from '../../src/client/io.ts';

/** What a command line said, and how it ended. */
export interface Said {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
}

export interface Surroundings {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
}

/** Runs a command line in this process, without a terminal. */
export async function farweave(argv: readonly string[], { cwd, env = {}, stdin = '' }: Surroundings): Promise<Said> {
  const said = { out: '', err: '' };
  const stream = (name: 'out' | 'err') => ({
    write: (text: string) => void (said[name] += text),
    live: false,
    size: () => ({ columns: 80, rows: 24 }),
  });
  const io: Io = {
    out: stream('out'),
    err: stream('err'),
    env: { HOME: cwd, ...env },
    cwd,
    input: async () => stdin,
    canAsk: false,
    color: false,
    unicode: true,
    onInterrupt: () => () => {},
  };
  const exitCode = await run(argv, io);
  return { exitCode, ...said };
}
