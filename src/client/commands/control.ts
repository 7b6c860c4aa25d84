import type { Command } from 'commander';
import { type Note, pauseSignal, type RunningRollout, resumeSignal, rollbackSignal } from '../../workflows/contract.ts';
import { type At, mustBeKnown, type Run, readSpec, teach, withTemporal, writeJson } from '../command.ts';
import type { Farweave } from '../connection.ts';
import { EXIT, Failure } from '../errors.ts';
import { status, whoAmI } from '../index.ts';

interface Options {
  readonly reason?: string;
}

interface Control {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  /** Said when it was sent. */
  readonly said: string;
  send(handle: ReturnType<Farweave['client']['workflow']['getHandle']>, note: Note): Promise<unknown>;
}

const CONTROLS: readonly Control[] = [
  {
    name: 'pause',
    summary: 'hold the rollout that runs',
    description: 'Steps that run finish, no other begins. farweave resume goes on.',
    said: 'is asked to pause: what runs finishes, nothing else begins',
    send: (handle, note) => handle.signal(pauseSignal, note),
  },
  {
    name: 'resume',
    summary: 'go on with a rollout that is paused',
    description: 'Goes on with a rollout that is paused. One that is paused on a failure tries again what has failed.',
    said: 'goes on',
    send: (handle, note) => handle.signal(resumeSignal, note),
  },
  {
    name: 'rollback',
    summary: 'take back what the rollout that runs has changed',
    description:
      'Nothing new begins, steps that run finish, then what this rollout has changed is taken back in reverse order. ' +
      'What was so before it stays. What cannot be taken back was named by the plan.',
    said: 'is asked to take back what it has changed',
    send: (handle, note) => handle.signal(rollbackSignal, note),
  },
  {
    name: 'cancel',
    summary: 'end the rollout that runs',
    description:
      'Ends the rollout: steps that run are ended, nothing else begins, and what it has done stays, whatever the policy. ' +
      'To have it taken back, use farweave rollback instead: afterwards it is too late.',
    said: 'is asked to end',
    send: (handle) => handle.cancel(),
  },
];

export function addControl(program: Command, run: Run): void {
  for (const control of CONTROLS) {
    const command = program
      .command(control.name)
      .summary(control.summary)
      .description(control.description)
      .option('--reason <text>', 'for those who come after')
      .action(run((at: At, options: Options) => send(at, control, options)));
    teach(command, [
      [`farweave ${control.name}`, ''],
      [`farweave ${control.name} --reason 'disk of vm1 is being replaced'`, ''],
    ]);
  }
}

async function send(at: At, control: Control, { reason }: Options): Promise<number> {
  const { name } = await readSpec(at);
  mustBeKnown(at, name);
  return await withTemporal(at, async (farweave) => {
    const { workflowId, revision } = await runningRollout(farweave, name);
    const note: Note = { by: whoAmI(), ...(reason && { reason }) };
    await control.send(farweave.client.workflow.getHandle(workflowId), note);
    if (at.global.json) writeJson(at, { cluster: name, revision, workflowId, sent: control.name });
    else at.io.out.write(`Revision ${revision} ${control.said}.\n  ${at.self} watch    see what becomes of it\n`);
    return EXIT.ok;
  });
}

async function runningRollout(farweave: Farweave, name: string): Promise<RunningRollout> {
  const rollout = (await status(farweave, name))?.rollout;
  if (!rollout)
    throw new Failure(`No rollout of ${name} runs.`, { hint: 'farweave status says how the last one ended.' });
  return rollout;
}
