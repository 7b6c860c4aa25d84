import { InvalidArgumentError } from 'commander';
import type { Note } from '../../workflows/contract.ts';
import type { Led, Wish } from '../control.ts';
import { EXIT, Failure } from '../errors.ts';

/** Options of all controls; each takes some of them. */
export interface Options extends Pick<Note, 'reason'> {
  readonly yes?: boolean;
  readonly step?: string;
  readonly undo?: boolean;
  readonly wave?: boolean;
  readonly to?: number;
}

/** What commander gives for an argument. */
export type Argument = string | number | readonly string[] | undefined;

export interface ControlCommand {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  readonly argument?: readonly [name: string, what: string, parse?: (value: string) => number];
  readonly options?: readonly (readonly [flags: string, what: string, parse?: (value: string) => number])[];
  readonly examples: readonly (readonly [line: string, what: string])[];
  readonly wants: (argument: Argument, options: Options) => Wish;
  /** What is put to whoever sits there, where the control ends or takes back something. */
  readonly question?: (wanted: Wish, rollout: Pick<Led, 'cluster' | 'revision'>) => string;
}

/** In the order of the help. */
export const CONTROLS: readonly ControlCommand[] = [
  {
    name: 'pause',
    summary: 'hold the rollout that runs',
    description: 'Steps that run finish, no other begins. farweave resume goes on.',
    examples: [
      ['farweave pause', ''],
      ["farweave pause --reason 'disk of vm1 is being replaced'", 'said to whoever looks'],
    ],
    wants: () => ({ control: 'pause', request: {} }),
  },
  {
    name: 'resume',
    summary: 'go on with a rollout that is paused',
    description: 'Goes on with a rollout that is paused. One that is paused on a failure tries again what has failed.',
    examples: [['farweave resume', '']],
    wants: () => ({ control: 'resume', request: {} }),
  },
  {
    name: 'approve',
    summary: 'let a rollout go on that waits for an approval',
    description:
      'Agrees to what rollout.approval in the cluster file asks for (to begin, or to go on after the first wave), or to the ' +
      'repair that farweave drift --repair has opened. ' +
      'farweave watch says what has happened so far, and until when the approval is waited for.',
    examples: [["farweave approve --reason 'the canary has been well for an hour'", 'the reason stands in the events']],
    wants: () => ({ control: 'approve', request: {} }),
  },
  {
    name: 'retry',
    summary: 'try again what has failed',
    description:
      'Tries again what has failed on a host, or one step of it; a host that was parked or skipped takes part again. ' +
      'Without a host: everything that has failed, as farweave resume.',
    argument: ['[host]', 'only on this one'],
    options: [['--step <step>', 'only this step of the host: an operation (mongodb.start), or the id of a stage']],
    examples: [
      ['farweave retry', 'everything that has failed'],
      ['farweave retry vm1', 'what has failed on vm1'],
      ['farweave retry vm1 --step mongodb.start', 'one step of it'],
    ],
    wants: (argument, { step }) => {
      if (typeof argument === 'string')
        return { control: 'retry', request: { host: argument, ...(step !== undefined && { step }) } };
      if (step !== undefined) throw bad('--step wants a host: farweave retry HOST --step STEP');
      return { control: 'resume', request: {} };
    },
  },
  {
    name: 'skip',
    summary: 'leave a host out, the others go on',
    description:
      'The host is left out of the rollout; what runs on it finishes, and what was done on it stays. ' +
      'farweave retry HOST takes it along again, and so does the next apply.',
    argument: ['<host>', 'to be left out'],
    examples: [["farweave skip vm1 --reason 'its disk is being replaced'", '']],
    wants: (argument) => ({ control: 'skip', request: { host: String(argument) } }),
  },
  {
    name: 'batch',
    summary: 'change how many hosts go at a time',
    description: 'How many hosts of a site go at a time, from the next wave on. What the cluster file says stays.',
    argument: ['<size>', '1 at least', wholeNumber],
    examples: [['farweave batch 1', 'one host after another']],
    wants: (argument) => ({ control: 'batch', request: { size: Number(argument) } }),
  },
  {
    name: 'cancel',
    summary: 'end the rollout that runs',
    description:
      'Ends the rollout: what runs on the hosts is ended and nothing else begins. What it has done stays, whatever the ' +
      'policy, or with --undo is taken back. Without --undo it can be sent even where no worker answers.',
    options: [['--undo', 'take back what the rollout has changed']],
    examples: [
      ['farweave cancel', 'leave all as it is'],
      ['farweave cancel --undo --yes', 'take it back, and do not ask'],
    ],
    wants: (_, { undo }) => ({ control: 'cancel', request: undo ? { undo } : {} }),
    question: ({ request }, { cluster, revision }) =>
      'undo' in request
        ? `End revision ${revision} of ${cluster}, and take back what it has changed?`
        : `End revision ${revision} of ${cluster} at once, and leave everything as it is then?`,
  },
  {
    name: 'rollback',
    summary: 'take back what the rollout that runs has changed',
    description:
      'Nothing new begins, steps that run finish, then what this rollout has changed is taken back in reverse order: on ' +
      'all hosts, on those that are named (they are left out from then on), or on the wave that is under way. What was so ' +
      'before it stays. What cannot be taken back was named by the plan. Where no rollout runs, an earlier revision is ' +
      'rolled out.',
    argument: ['[hosts...]', 'only on these'],
    options: [
      ['--wave', 'only on the hosts of the wave that is under way'],
      ['--to <revision>', 'roll out what the cluster was at this revision', wholeNumber],
    ],
    examples: [
      ['farweave rollback', 'everything that the rollout has changed'],
      ['farweave rollback vm1 vm2', 'on two hosts; the others go on'],
      ['farweave rollback --wave', 'on the wave that is under way'],
      ['farweave rollback --to 3', 'what the cluster was at revision 3'],
    ],
    wants: (argument, { wave, to }) => {
      const hosts = Array.isArray(argument) ? (argument as readonly string[]) : [];
      if ([hosts.length > 0, wave, to !== undefined].filter(Boolean).length > 1)
        throw bad('rollback takes hosts, or --wave, or --to, but not two of them');
      return { control: 'rollback', request: { ...(hosts.length > 0 && { hosts }), ...(wave && { wave }) } };
    },
    question: ({ request }, { cluster, revision }) => {
      const where = 'hosts' in request ? ` on ${(request.hosts ?? []).join(', ')}` : '';
      const wave = 'wave' in request ? ' on the wave that is under way' : '';
      return `Take back what revision ${revision} of ${cluster} has changed${where}${wave}?`;
    },
  },
];

/** What is wrong with how a command was called. */
export function bad(message: string, hint?: string): Failure {
  return new Failure(message, { exitCode: EXIT.badInput, ...(hint && { hint }) });
}

function wholeNumber(value: string): number {
  if (/^[1-9]\d{0,8}$/.test(value)) return Number(value);
  throw new InvalidArgumentError('Wants a whole number, 1 at least.');
}
