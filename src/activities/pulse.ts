import { StringDecoder } from 'node:string_decoder';
import { Context } from '@temporalio/activity';
import * as z from 'zod';
import { lastLines } from './failures.ts';

/** Well below the time after which a silent worker counts as lost. */
const BEAT = 3_000;
/** Of the log, kept for the message of a failure. */
const TAIL = 16_384;
/** Of the log, where its last line is looked for. */
const LAST = 2_048;

/** What a heartbeat says, and what a later attempt may go on from. People read it in the Web UI. */
const Beat = z
  .object({ step: z.string(), at: z.string(), job: z.string(), offset: z.number(), line: z.string() })
  .partial();
type Beat = z.infer<typeof Beat>;

/** An activity's sign of life: heartbeats, and why it is to stop. */
export interface Pulse {
  /** The activity has been cancelled: end what runs on the host. */
  readonly cancel: AbortSignal;
  /** This worker is to let go of what runs on the host: another follows it. */
  readonly detach: AbortSignal;
  /** Either of them. */
  readonly stop: AbortSignal;
  /** What the next heartbeats say. */
  says(beat: Beat): void;
  /** Where in the log of this job an earlier attempt had got to. */
  offsetOf(job: string): number;
  /** A piece of the log, and the offset after it. */
  readonly log: (chunk: Buffer, offset: number) => void;
  /** The end of the log, without secrets. */
  readonly tail: string;
  end(): void;
}

/** Starts to beat. `redact` takes secrets out of what is said. */
export function startPulse(redact: (text: string) => string): Pulse {
  const context = Context.current();
  const cancel = new AbortController();
  const detach = new AbortController();
  const last = Beat.safeParse(context.info.heartbeatDetails);
  let beat: Beat = {};
  // A piece may end within a character.
  const decoder = new StringDecoder('utf8');
  let tail = '';
  /** The job whose log has been told of. */
  let heard: string | undefined;
  const timer = setInterval(() => context.heartbeat(beat), BEAT);
  const stopped = () => (context.cancellationDetails?.cancelRequested ? cancel : detach).abort();
  context.cancellationSignal.addEventListener('abort', stopped, { once: true });
  if (context.cancellationSignal.aborted) stopped();
  return {
    cancel: cancel.signal,
    detach: detach.signal,
    stop: context.cancellationSignal,
    says: (news) => {
      beat = { ...beat, ...news };
      context.heartbeat(beat);
    },
    offsetOf: (job) => (last.success && last.data.job === job ? (last.data.offset ?? 0) : 0),
    log: (chunk, offset) => {
      tail = (tail + decoder.write(chunk)).slice(-TAIL);
      // Secrets go before anything is cut or escaped: what is left of one could not be told.
      beat = { ...beat, offset, line: lastLines(redact(tail.slice(-LAST)), 1).slice(-200) };
      if (heard === beat.job) return;
      // At once: whoever watches has waited for a sign that somebody is at it again.
      heard = beat.job;
      context.heartbeat(beat);
    },
    get tail() {
      return redact(tail);
    },
    end: () => {
      clearInterval(timer);
      context.cancellationSignal.removeEventListener('abort', stopped);
    },
  };
}
