import { Changes, changeLine } from './changes.ts';
import { duration } from './format.ts';
import type { Io } from './io.ts';
import { LiveBlock } from './live.ts';
import { tree } from './tree.ts';
import { tally, type View } from './view.ts';

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
  return isLive(manner) ? liveShow(manner.io) : lineShow(manner);
}

/** Whether somebody watches on a terminal. */
export function isLive({ io, json }: Manner): boolean {
  return io.out.live && !json;
}

/** A block that is redrawn several times a second, so that clocks go on between two looks. */
function liveShow(io: Io): Show {
  const block = new LiveBlock(io.out);
  let latest: View | undefined;
  const draw = () => {
    if (latest) block.show(tree(latest, { ...io, ...io.out.size(), now: Date.now() }));
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

/** A line a change of state, and one when nothing has changed for a while. */
function lineShow({ io, json, events }: Manner): Show {
  const stream = json ? io.err : io.out;
  let changes: Changes | undefined;
  let said = Date.now();
  let trouble: string | undefined;
  return {
    view: (view) => {
      changes ??= new Changes(view.plan);
      for (const change of changes.next(view)) {
        if (events) io.out.write(`${JSON.stringify({ at: new Date().toISOString(), ...change })}\n`);
        else stream.write(`${changeLine(change)}\n`);
        said = Date.now();
      }
      if (view.trouble && view.trouble !== trouble) io.err.write(`${view.trouble}\n`);
      trouble = view.trouble;
      if (Date.now() - said < 10_000 || events) return;
      const { settled, total } = tally(view);
      const { state, doing } = view.progress;
      io.err.write(`… ${state} for ${duration(Date.now() - view.began)}, ${settled} of ${total} steps: ${doing}\n`);
      said = Date.now();
    },
    close: () => {},
  };
}
