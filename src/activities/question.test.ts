import { expect, it } from 'vitest';
import type { Command } from '../ssh/command.ts';
import type { Host } from '../ssh/host.ts';
import { ask } from './question.ts';

function echo(): Host & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    hostKey: '',
    ask: async (questions: readonly Command[]) => {
      asked.push(...questions.map(({ text }) => text));
      return questions.map(({ text }) => ({ exitCode: 0, stdout: `${text}!`, stderr: '' }));
    },
    run: async () => ({ exitCode: 0, stdout: '', stderr: '' }),
  };
}

it('asks once what several operations want to know, and answers each of them', async () => {
  const host = echo();
  const answers = await ask(host, [{ text: 'a' }, { text: 'b' }, { text: 'a' }], {}, {});
  expect(host.asked).toEqual(['a', 'b']);
  expect(answers.map(({ stdout }) => stdout)).toEqual(['a!', 'b!', 'a!']);
});

it('keeps answers in the order of the questions where some are asked from outside', async () => {
  const nobody = 'http://127.0.0.1:1/';
  const answers = await ask(echo(), [{ get: nobody }, { text: 'a' }, { get: nobody }, { text: 'b' }], {}, {});
  expect(answers.map(({ exitCode, stdout }) => [exitCode, stdout])).toEqual([
    [7, ''],
    [0, 'a!'],
    [7, ''],
    [0, 'b!'],
  ]);
});
