import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommanderError } from 'commander';
import { expect, it } from 'vitest';
import { build } from '../../src/client/cli.ts';
import type { Io, Stream } from '../../src/client/io.ts';
import { PATIENCE } from '../../src/plan/patience.ts';

const root = join(import.meta.dirname, '../..');
const pages = ['README.md', ...globSync('docs/**/*.md', { cwd: root })];

/** Words in capitals stand for something; where the command wants a number, for that. */
const NUMBERS = new Set(['SIZE', 'REVISION']);

/** Prose may name a command without what it takes, and a group of commands. */
const MENTIONED = new Set(['commander.missingArgument', 'commander.help']);

/** Every command line in code: `farweave …` between backticks, in blocks, and with the launcher's folder before it. */
function commandsOf(page: string): readonly string[] {
  const text = readFileSync(join(root, page), 'utf8');
  const blocks = [...text.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block = '']) => block.split('\n'));
  const inline = [...text.replaceAll(/^```.*?^```$/gms, '').matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);
  return [...blocks, ...inline]
    .map((line) => line.replace(/\s+#.*$/, '').trim())
    .filter((line) => /^(bin\/)?farweave [a-z-]/.test(line) && !line.includes('|'));
}

/** What is wrong with a command line; undefined where it names a command and options that exist. Runs nothing. */
async function faultOf(command: string): Promise<string | undefined> {
  const silent: Stream = { write: () => {}, live: false, size: () => ({ columns: 80, rows: 24 }) };
  let said = '';
  const io: Io = {
    out: silent,
    err: { ...silent, write: (text) => void (said += text) },
    env: {},
    cwd: '/',
    input: async () => '',
    canAsk: false,
    color: false,
    unicode: true,
    onInterrupt: () => () => {},
  };
  const argv = command
    .split(/\s+/)
    .slice(1)
    .map((word) => (NUMBERS.has(word) ? '3' : word));
  try {
    await build(() => async () => {}, io).parseAsync(argv, { from: 'user' });
    return undefined;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return MENTIONED.has(error.code) ? undefined : said;
  }
}

it.each(pages.filter((page) => commandsOf(page).length > 0))('%s names only commands that exist', async (page) => {
  const commands = commandsOf(page);
  const faults = await Promise.all(commands.map(async (command) => ({ command, fault: await faultOf(command) })));
  expect(faults.filter(({ fault }) => fault !== undefined)).toEqual([]);
});

it('would find a command or an option that does not exist', async () => {
  expect(await faultOf('farweave undo')).toContain("unknown command 'undo'");
  expect(await faultOf('farweave cancel --gently')).toContain("unknown option '--gently'");
  expect(await faultOf('farweave batch none')).toContain('Wants a whole number');
  expect(await faultOf('farweave skip')).toBeUndefined();
  expect(await faultOf('farweave dev logs worker -n 5')).toBeUndefined();
});

it('tells an operator of every class of failure', () => {
  const page = readFileSync(join(root, 'docs/operations.md'), 'utf8');
  const others = [
    'BastionKeyChanged',
    'Owned',
    'UnknownOperation',
    'InvalidArguments',
    'Superseded',
    'Unexpected',
    'Skipped',
  ];
  const headings = [...page.matchAll(/^### (.+)$/gm)].flatMap(([, heading = '']) => heading.split(', '));
  expect(headings.toSorted()).toEqual([...Object.keys(PATIENCE), ...others].toSorted());
});
