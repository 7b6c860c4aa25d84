import { type Command, type Script, sh } from '../src/ssh/command.ts';
import { folderOf, leaving, type Undoing } from '../src/ssh/receipt.ts';

/** A change with its receipt left first. */
export function leave(receipt: string, change: Script, undoing?: Undoing): Command {
  const [rollout = '', stage = ''] = receipt.split('/');
  return sh`${leaving(rollout, [{ stage, saves: change.saves ?? [], ...(undoing && { undoing }) }])}
${change}`;
}

/** Exit code 0 where it has been left. */
export function find(receipt: string): Command {
  const [rollout = '', stage = ''] = receipt.split('/');
  return sh`test -d ${`${folderOf(rollout)}/${stage}`}`;
}
