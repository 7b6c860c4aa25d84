import { confirm as ask, isCancel } from '@clack/prompts';

/** Asks for a yes on the terminal. Ctrl-C is a no. */
export async function confirm(message: string): Promise<boolean> {
  const answer = await ask({ message, initialValue: true });
  return isCancel(answer) ? false : answer;
}
