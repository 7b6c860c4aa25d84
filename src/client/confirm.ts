import { confirm as ask, isCancel, password, text } from '@clack/prompts';

/** Asks for a yes on the terminal. Ctrl-C is a no. */
export async function confirm(message: string): Promise<boolean> {
  const answer = await ask({ message, initialValue: true });
  return isCancel(answer) ? false : answer;
}

/** Asks for a text on the terminal without showing it. Undefined at Ctrl-C. */
export async function askHidden(message: string): Promise<string | undefined> {
  const answer = await password({ message });
  return isCancel(answer) ? undefined : answer;
}

/** Asks for a text on the terminal. Undefined at Ctrl-C. */
export async function askFor(message: string): Promise<string | undefined> {
  const answer = await text({ message });
  return isCancel(answer) ? undefined : answer.trim();
}
