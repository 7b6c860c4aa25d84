import type { Output, Question } from '../ssh/command.ts';
import type { Task } from './contract.ts';

/** Hosts of which a worker remembers what they said. */
const HOSTS = 2_000;
/** Characters that are remembered of one. */
const BOUND = 16_384;

type Where = Pick<Task, 'cluster' | 'revision' | 'host'>;

/**
 * What hosts have told a survey, for the activity that acts on it. Only a guess, and good for one: what is made of it asks
 * again on the host itself. A worker that does not know asks once more.
 */
export class Heard {
  readonly #hosts = new Map<string, ReadonlyMap<string, Output>>();

  keep(where: Where, questions: readonly Question[], answers: readonly Output[]): void {
    const size = answers.reduce((sum, { stdout, stderr }) => sum + stdout.length + stderr.length, 0);
    if (size > BOUND) return;
    const key = keyOf(where);
    this.#hosts.delete(key);
    this.#hosts.set(
      key,
      new Map(questions.flatMap((question, n) => ('text' in question ? [[question.text, answers[n]!]] : []))),
    );
    const [oldest] = this.#hosts.keys();
    if (this.#hosts.size > HOSTS && oldest !== undefined) this.#hosts.delete(oldest);
  }

  /** All of the answers, or nothing. */
  take(where: Where, questions: readonly Question[]): readonly Output[] | undefined {
    const known = this.#hosts.get(keyOf(where));
    this.#hosts.delete(keyOf(where));
    const answers = questions.map((question) => ('text' in question ? known?.get(question.text) : undefined));
    return answers.every((answer) => answer !== undefined) ? answers : undefined;
  }
}

const keyOf = ({ cluster, revision, host }: Where) => `${cluster}:${revision}:${host.name}`;
