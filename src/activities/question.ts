import type { Command, Login, Output, Question, Request, Shows } from '../ssh/command.ts';
import type { AskOptions, Host, Values } from '../ssh/host.ts';

const HTTP_TIMEOUT = 10_000;
const BODY_LIMIT = 4096;
/** As curl's for "failed to connect". */
const NO_CONNECTION = 7;

/** How to ask what only a connection of its own can answer. */
export interface Attempts {
  /** With a key of the cluster. */
  readonly tryKey: (key: string) => Promise<Output>;
  /** To a host that shows this key. */
  readonly trySight: (hostKey: string) => Promise<Output>;
}

/** All answers in the order of the questions: the host's in one round trip; requests from here, and logins, at the same time. */
export async function ask(
  host: Host,
  questions: readonly Question[],
  values: Values,
  { tryKey, trySight, ...options }: AskOptions & Attempts,
): Promise<readonly Output[]> {
  const commands = questions.filter((question): question is Command => 'text' in question);
  // Several operations may ask the same, such as a look into a database: once will do. A text names its variables by
  // what they hold, so that equal texts are equal commands.
  const distinct = [...new Map(commands.map((command) => [command.text, command])).values()];
  const [told, fetched] = await Promise.all([
    distinct.length > 0 ? host.ask(distinct, values, options) : [],
    Promise.all(questions.map(async (question) => ('text' in question ? undefined : fromHere(question)))),
  ]);
  const answers = new Map(distinct.map(({ text }, n) => [text, told[n]]));
  return questions.map((question, n) => ('text' in question ? answers.get(question.text) : fetched[n]) ?? NO_ANSWER);

  function fromHere(question: Request | Login | Shows): Promise<Output> {
    if ('shows' in question) return sight(question);
    return 'get' in question ? request(question) : tryKey(question.login);
  }

  async function sight({ shows }: Shows): Promise<Output> {
    const [answer = NO_ANSWER] = await host.ask([shows], values, options);
    return answer.exitCode === 0 ? trySight(answer.stdout.trim()) : answer;
  }
}

const NO_ANSWER: Output = { exitCode: 127, stdout: '', stderr: 'no answer' };

/**
 * Asked from outside the cluster, and answered as `curl -i` would: stdout is status line, headers, a blank line and the first
 * 4 KiB of the body; no connection within 10 s is exit code 7. Redirects are not followed: where one points is an answer.
 */
export async function request({ get }: Request): Promise<Output> {
  try {
    const signal = AbortSignal.timeout(HTTP_TIMEOUT);
    const response = await fetch(get, { redirect: 'manual', signal });
    const { status, statusText, headers } = response;
    const head = [`HTTP/1.1 ${status} ${statusText}`, ...[...headers].map(([name, value]) => `${name}: ${value}`), ''];
    return { exitCode: 0, stdout: [...head, await beginning(response)].join('\n'), stderr: '' };
  } catch (error) {
    const { message, cause } = error as Error;
    return { exitCode: NO_CONNECTION, stdout: '', stderr: cause instanceof Error ? cause.message : message };
  }
}

async function beginning({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= BODY_LIMIT) break;
  }
  return Buffer.concat(chunks).subarray(0, BODY_LIMIT).toString();
}
