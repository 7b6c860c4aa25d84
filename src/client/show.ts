import { Changes, changeLine } from './changes.ts';
import { clip, duration } from './format.ts';
import type { Io } from './io.ts';
import { LiveBlock } from './live.ts';
import { tree } from './tree.ts';
import { tally, type View } from './view.ts';
import { waitLines } from './waits.ts';

/** Milliseconds of silence after which a line says that it lives. */
const QUIET = 1_900;

/** How results are written. */
export interface Manner {
  readonly io: Io;
  /** Results as JSON on stdout; what happens meanwhile goes to stderr as lines. */
  readonly json: boolean;
  /** Each change of state as a line of JSON on stdout. */
  readonly events: boolean;
  /** How this program is called to come back: `farweave -f forum.yaml`. */
  readonly self: string;
}

/** Shows a rollout while it runs. */
export interface Show {
  view(view: View): void;
  close(): void;
}

/** The live tree on a terminal, otherwise lines. */
export function showOf(manner: Manner): Show {
  return manner.io.out.live && !manner.json ? liveShow(manner) : lineShow(manner);
}

/** A block that is redrawn several times a second, so that clocks go on between two looks. */
function liveShow({ io, self }: Manner): Show {
  const block = new LiveBlock(io.out);
  let latest: View | undefined;
  const draw = () => {
    if (latest) block.show(tree(latest, { ...io, ...io.out.size(), now: Date.now(), self }));
  };
  const timer = setInterval(draw, 120);
  return {
    view: (view) => {
      latest = view;
      draw();
    },
    close: () => {
      clearInterval(timer);
      block.close();
    },
  };
}

/** A line a change of state, one when it begins to wait for something else, and one when nothing has changed for a while. */
function lineShow({ io, json, events, self }: Manner): Show {
  const stream = json ? io.err : io.out;
  let changes: Changes | undefined;
  let said = Date.now();
  let trouble: string | undefined;
  let waits = '[]';
  return {
    view: (view) => {
      changes ??= new Changes(view.plan);
      // Of a verification the last lines tell everything.
      const isTold = events || view.plan.purpose !== 'verify';
      for (const change of isTold ? changes.next(view) : []) {
        if (events) io.out.write(`${JSON.stringify({ at: new Date().toISOString(), ...change })}\n`);
        else stream.write(`${changeLine(change)}\n`);
        said = Date.now();
      }
      if (view.trouble && view.trouble !== trouble) io.err.write(`${view.trouble}\n`);
      trouble = view.trouble;
      const latest = JSON.stringify(view.waits ?? []);
      if (latest !== waits && !view.outcome) {
        waits = latest;
        for (const line of waitLines(view, { now: Date.now(), self })) io.err.write(`${line}\n`);
        if (events) io.out.write(`${JSON.stringify({ at: new Date().toISOString(), waits: view.waits })}\n`);
      }
      // Where it waits for somebody, or for hours, a line every two seconds would bury what was said.
      const isIdle = (view.waits ?? []).length > 0 && view.running.length === 0;
      if (events || isIdle || view.outcome || Date.now() - said < QUIET) return;
      io.err.write(`${heartbeat(view)}\n`);
      said = Date.now();
    },
    close: () => {},
  };
}

/** Says that it lives: how long, how far, and what has run the longest. */
function heartbeat(view: View): string {
  const { settled, total } = tally(view);
  const [longest] = view.running;
  const at = longest
    ? `${longest.host} ${longest.what} ${duration(Date.now() - longest.since)}${longest.line ? `: ${longest.line}` : ''}`
    : view.progress.doing;
  return clip(`… ${duration(Date.now() - view.began)}, ${settled} of ${total} steps, ${at}`, 160);
}
