import { isGrpcServiceError, ServiceError } from '@temporalio/client';
import { CommanderError } from 'commander';
import { LabError } from '../lab/errors.ts';
import { line, SpecError } from '../spec/problem.ts';
import { SecretsError } from '../spec/secrets.ts';
import { EXIT, Failure } from './errors.ts';
import { count, printable } from './format.ts';
import { type Io, styling } from './io.ts';

/** An error as it is told: what is wrong and where, in lines; what to do next. */
interface Told {
  readonly lines: readonly string[];
  readonly hint?: string;
  readonly exitCode: number;
}

/** Tells of an error on stderr, and with `json` as a document on stdout. Gives the exit code. */
export function tell(error: unknown, io: Io, { json = false, debug = false, self = 'farweave' } = {}): number {
  // Commander has told already, except what is wrong in JSON.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.badInput;
  const { lines, hint: said, exitCode } = explain(error);
  // Whoever gave the hint may not know how this program was called.
  const hint = said?.replaceAll(/(?<![\w./-])farweave (?=[a-z])/g, `${self} `);
  const style = styling(io);
  const [first = 'failed', ...rest] = lines.map(printable);
  io.err.write(
    `${style('red', first)}\n${rest.map((each) => `${each}\n`).join('')}${hint ? `${printable(hint)}\n` : ''}`,
  );
  if (debug) io.err.write(`${stackOf(error)}\n`);
  if (json) {
    const problems = error instanceof SpecError ? { problems: error.problems } : {};
    const document = { error: { message: lines.join('\n'), ...(hint && { hint }), ...problems, exitCode } };
    io.out.write(`${JSON.stringify(document, null, 2)}\n`);
  }
  return exitCode;
}

function explain(error: unknown): Told {
  if (error instanceof Failure) {
    const { message, details, hint, exitCode } = error;
    return { lines: [message, ...details.map((detail) => `  ${detail}`)], ...(hint && { hint }), exitCode };
  }
  if (error instanceof SpecError) {
    const errors = error.problems.filter(({ severity }) => severity === 'error').length;
    return {
      lines: [...error.problems.map(line), `${count(errors, 'error')}. Nothing was touched.`],
      exitCode: EXIT.badInput,
    };
  }
  if (error instanceof SecretsError) {
    const lines = error.missing.map(({ name, message }) => `secret ${name}: ${message}`);
    return { lines: [...lines, 'Nothing was touched.'], exitCode: EXIT.badInput };
  }
  if (error instanceof LabError) return { lines: [error.message], hint: error.hint, exitCode: EXIT.failed };
  if (error instanceof ServiceError || isGrpcServiceError(error)) {
    const why = error.cause instanceof Error ? error.cause.message : error.message;
    return {
      lines: [`Temporal does not answer: ${why}`],
      hint: 'What runs goes on when it is back. See farweave dev status.',
      exitCode: EXIT.unreachable,
    };
  }
  return {
    lines: [error instanceof Error ? error.message : String(error)],
    hint: 'This was not foreseen: --debug shows where it came from.',
    exitCode: EXIT.failed,
  };
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  const cause = error.cause === undefined ? '' : `\ncaused by ${stackOf(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}
