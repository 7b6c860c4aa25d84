import type { CancellationScope } from '@temporalio/workflow';
import type { Account } from './account.ts';
import type { Bulletin } from './bulletin.ts';
import { haltSignal, leaveOutSignal, type Note, pauseSignal, type RolloutInput, resumeSignal } from './contract.ts';
import { type Acts, listen } from './listen.ts';
import type { Situation } from './objections.ts';
import type { Sites } from './sites.ts';

/** Whose wishes they are: a rollout, and what is known of it. */
export interface Led {
  readonly input: RolloutInput;
  readonly account: Account;
  readonly sites: Sites;
  readonly bulletin: Bulletin;
  /** Everything that a cancellation ends. */
  readonly scope: CancellationScope;
}

/** What people want of a rollout, as they have said it by controls; `Conduct` brings it about. */
export class Wishes {
  readonly #led: Led;
  pausedBy: Note | undefined;
  /** Of the whole rollout: try again what failed, or end it. */
  whole: 'again' | 'undo' | 'end' | undefined;
  /** Somebody is asked to agree. */
  asks = false;
  approved = false;
  /** Hosts on which what failed is to be tried again, or which are to take part again. */
  readonly again = new Set<string>();
  /** Hosts whose changes are to be taken back before anything goes on. */
  readonly back = new Set<string>();
  /** How many hosts of a site go at a time, if somebody has said so. */
  batch: number | undefined;
  /** Something was said since the rollout stopped that may let it go on. */
  isNews = false;

  constructor(led: Led) {
    this.#led = led;
    const { bulletin, input } = led;
    const note = (what: string, by?: string) => bulletin.note(what, by);
    listen({ acts: this.#acts, situation: () => this.#situation(), note, isOld: input.notes !== true });
  }

  readonly #acts: Acts = {
    pause: (note) => {
      const { sites, bulletin } = this.#led;
      this.#hold(note);
      sites.tell(pauseSignal, note);
      if (bulletin.state === 'rolling') bulletin.become('paused', `paused${said(note)}`, { for: 'resume' });
      return 'paused: what runs finishes, nothing else begins';
    },
    resume: (note) => {
      const { sites, bulletin, account } = this.#led;
      this.#hold(undefined);
      sites.tell(resumeSignal, note);
      if (account.stopped !== undefined) {
        this.whole = 'again';
        return 'tries again what has failed';
      }
      if (this.asks) return 'is paused no longer, and waits for an approval';
      if (bulletin.state === 'paused') bulletin.become('rolling', bulletin.doing);
      return 'goes on';
    },
    approve: () => {
      this.approved = true;
      return 'approved: it goes on';
    },
    retry: ({ host }) => {
      this.again.add(host);
      this.isNews = true;
      if (this.#led.account.stopped !== undefined) return `tries again what has failed on ${host}`;
      return `${host} takes part again, from the beginning, as soon as what runs has finished`;
    },
    skip: (request) => {
      this.#leaveOut(request.host, said(request));
      return `${request.host} is left out: what runs there finishes, and the others go on`;
    },
    batch: ({ size }) => {
      this.batch = size;
      return `from the next wave on ${size} host${size === 1 ? '' : 's'} of a site go at a time`;
    },
    cancel: ({ undo }) => {
      this.whole = undo === true ? 'undo' : 'end';
      this.#led.scope.cancel();
      return `ends what runs on the hosts, and ${undo ? 'takes back what was changed' : 'leaves what is done'}`;
    },
    rollback: ({ hosts, wave, ...note }) => {
      const some = hosts ?? (wave ? this.#led.bulletin.wave?.hosts : undefined);
      return some ? this.#takeBack(some, note) : this.#takeAllBack(note);
    },
  };

  #takeBack(hosts: readonly string[], note: Note): string {
    for (const host of hosts) {
      this.#leaveOut(host, said(note));
      this.back.add(host);
    }
    return `takes back what it changed on ${hosts.join(', ')}, and leaves ${hosts.length === 1 ? 'it' : 'them'} out`;
  }

  #takeAllBack(note: Note): string {
    const { account, sites, bulletin } = this.#led;
    this.whole = 'undo';
    account.stopped ??= `rolled back${said(note)}`;
    if (bulletin.spanning) bulletin.spanning.account.halted = true;
    sites.tell(haltSignal);
    return 'takes back what it has changed, once what runs has finished';
  }

  #hold(note: Note | undefined): void {
    const { sites, bulletin } = this.#led;
    this.pausedBy = note;
    sites.paused = note !== undefined;
    if (bulletin.spanning) bulletin.spanning.paused = note !== undefined;
  }

  #leaveOut(host: string, why: string): void {
    const { account, sites, bulletin } = this.#led;
    this.isNews = true;
    this.again.delete(host);
    if (account.skipped.has(host)) return;
    account.skip(host, why);
    bulletin.spanning?.account.parked.add(host);
    sites.tell(leaveOutSignal, { host });
  }

  #situation(): Situation {
    const { input, account, sites, bulletin } = this.#led;
    const hosts = input.plan.hosts.map(({ name }) => name);
    const wasTouched = (host: string) => input.plan.stages.some((stage) => account.wasTouched(host, stage));
    // What runs has not told yet what it touched: then anybody may have been.
    const isBusy = sites.running.length > 0 || bulletin.spanning !== undefined;
    return {
      state: bulletin.state,
      ending: bulletin.isEnding || this.whole === 'undo' || this.whole === 'end',
      ...(this.pausedBy && { paused: this.pausedBy }),
      stuck: bulletin.isStuck,
      asks: this.asks,
      hosts,
      out: account.parked,
      skipped: account.skipped,
      failed: failedOn(account.failing),
      touched: new Set(isBusy ? hosts : hosts.filter(wasTouched)),
      wave: bulletin.wave?.hosts ?? [],
    };
  }
}

function failedOn(problems: Account['failing']): ReadonlyMap<string, readonly string[]> {
  const byHost = Map.groupBy(problems, ({ host }) => host);
  const names = ({ stage }: (typeof problems)[number]) =>
    stage === undefined ? [] : [stage, stage.slice(stage.indexOf('-') + 1)];
  return new Map([...byHost].map(([host, some]) => [host, some.flatMap(names)]));
}

/** Behind a phrase: ` by ada: its disk is full`. */
export const said = ({ by, reason }: Note) =>
  `${by === undefined ? '' : ` by ${by}`}${reason === undefined ? '' : `: ${reason}`}`;
