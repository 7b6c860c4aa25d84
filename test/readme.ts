import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const text = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');

/** The commands below a heading of the README, without comments, in order. */
export function commandsOf(heading: string): readonly string[] {
  const [, section = ''] = text.split(`\n## ${heading}\n`);
  return commandsIn(section.split('\n## ')[0]!);
}

/** All of them. */
export const allCommands = () => commandsIn(text);

function commandsIn(markdown: string): readonly string[] {
  const blocks = [...markdown.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) => block);
  return blocks.flatMap((block) =>
    block
      .split('\n')
      .map((line) => line.replace(/\s+#.*$/, '').trim())
      .filter((line) => line !== ''),
  );
}
