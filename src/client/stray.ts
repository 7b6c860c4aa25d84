import type { Command } from 'commander';
import { nearest } from '../spec/problem.ts';

/** What people type who come from elsewhere. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  undo: 'rollback',
  revert: 'rollback',
  abort: 'cancel',
  stop: 'pause',
  hold: 'pause',
  continue: 'resume',
  deploy: 'apply',
  run: 'apply',
  rollout: 'apply',
  diff: 'plan --check',
  repair: 'drift --repair',
  check: 'validate',
  history: 'events',
  log: 'events',
  logs: 'dev logs',
};

/**
 * Throws a CommanderError, having told, where a word stands for a command that does not exist: with `--help` behind it
 * too, where commander would show the help of something else.
 */
export function refuseStray(program: Command, argv: readonly string[]): void {
  const { operands, unknown } = program.parseOptions([...argv]);
  const [word, ...rest] = operands;
  if (word === undefined || word === 'help') return;
  const group = program.commands.find((command) => command.name() === word);
  if (!group) return refuse(program, word);
  const [below] = group.parseOptions([...rest, ...unknown]).operands;
  if (group.commands.length === 0 || below === undefined || below === 'help') return;
  if (!group.commands.some((command) => command.name() === below)) refuse(group, below);
}

function refuse(group: Command, word: string): never {
  const names = group.commands.map((command) => command.name());
  const meant = (group.parent ? undefined : ELSEWHERE[word]) ?? nearest(word, names);
  const full = group.parent ? `${group.parent.name()} ${group.name()}` : group.name();
  const lines = [
    `error: unknown command '${word}'`,
    ...(meant === undefined ? [] : [`(Did you mean ${meant}?)`]),
    `${full} has: ${names.join(', ')}`,
    `${full} COMMAND --help teaches each by examples.`,
  ];
  group.error(lines.join('\n'), { code: 'commander.unknownCommand' });
}
