import { ApplicationFailure, defineSignal, defineUpdate, setHandler } from '@temporalio/workflow';
import { type Control, type ControlReply, type Controls, REFUSED } from './controls.ts';
import { EXAMPLES, objection, type Situation } from './objections.ts';

/** What each control does. Synchronous: so two at once end in one of the two orders, never in a mixture. */
export type Acts = { readonly [Name in Control]: (request: Controls[Name]) => string };

interface Listener {
  readonly acts: Acts;
  readonly situation: () => Situation;
  /** Somebody has done something, or was refused. */
  readonly note: (what: string, by?: string) => void;
  /** It began when every signal was acted on, and must be replayed so. */
  readonly isOld: boolean;
}

/** Takes controls as updates, which are refused before they enter history, and as signals, whose refusal is noted. */
export function listen(listener: Listener): void {
  for (const control of Object.keys(DOES) as Control[]) listenTo(control, listener);
}

function listenTo<Name extends Control>(control: Name, { acts, situation, note, isOld }: Listener): void {
  const description = `${DOES[control]} ${EXAMPLES[control]}`;
  const act = (request: Controls[Name] | undefined): ControlReply => {
    const given = (request ?? {}) as Controls[Name];
    const said = acts[control](given);
    note(`${said}${given.reason === undefined ? '' : `: ${given.reason}`}`, given.by);
    return { said };
  };
  const refuse = (request?: unknown) => {
    const why = objection(control, request, situation());
    if (why !== undefined) throw ApplicationFailure.create({ type: REFUSED, message: why, nonRetryable: true });
  };
  setHandler(
    defineUpdate<ControlReply, [unknown?]>(control),
    (request) => {
      refuse(request); // once more: since the validator, another control may have come before this one
      return act(request as Controls[Name] | undefined);
    },
    { validator: refuse, description },
  );
  setHandler(
    defineSignal<[Controls[Name]?]>(control),
    (request) => {
      const why = objection(control, request, situation());
      if (why === undefined || (isOld && OLD.has(control))) act(request);
      else note(`refused to ${control}: ${why}`, (request as { by?: string } | undefined)?.by);
    },
    { description },
  );
}

const OLD: ReadonlySet<Control> = new Set(['pause', 'resume', 'rollback']);

const DOES: Readonly<Record<Control, string>> = {
  pause: 'Holds back new steps; what runs finishes.',
  resume: 'Goes on. After a failure: tries again everything that failed.',
  approve: 'Lets it go on, where it waits for an approval.',
  retry: 'Tries again what failed on a host (or one "step" of it), or takes along again a host that was left out.',
  skip: 'Leaves a host out; the others go on.',
  batch: 'So many hosts of a site go at a time, from the next wave on.',
  cancel: 'Ends what runs on the hosts, and the rollout. "undo": takes back what it changed.',
  rollback:
    'What runs finishes; then what was changed is taken back: everywhere, on "hosts", or on the "wave" under way.',
};
