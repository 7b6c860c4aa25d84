import { randomBytes } from 'node:crypto';
import type { Channel, Link } from './connection.ts';
import { AuthenticationFailed, LinkLost, printable, SudoRefused, Unreachable } from './errors.ts';
import type { Target } from './host.ts';

/** How a program's channel ended. `code` is missing where the link went, or a signal ended it. */
export interface Ended {
  readonly code?: number;
  readonly signal?: string;
}

export interface Sinks {
  readonly out: (chunk: Buffer) => void;
  readonly err: (chunk: Buffer) => void;
}

/**
 * A POSIX shell as root that waits for programs on its stdin: from here on, each costs a single round trip.
 * `opening`: milliseconds that it may take.
 * Rejects with SudoRefused, AuthenticationFailed, LinkLost, Unreachable, or ChannelRefused where the link is full.
 */
export async function openRootShell(link: Link, target: Target, opening: number): Promise<RootShell> {
  const late = new Unreachable(target, `gave no shell within ${opening / 1000} s`);
  const deadline = AbortSignal.timeout(opening);
  const nonce = randomBytes(8).toString('hex');
  const ready = `fw-${nonce}-ready\n`;
  const prompt = `fw-${nonce}-password:`;
  // Any login shell takes this: no newline, no `!`, one pair of quotes. The rest comes by stdin, out of sight of `ps`.
  const wait = `/bin/sh -c 'echo ${ready.trim()} >&2; while read -r n; do eval "$(head -c $n)"; done'`;
  const by = target.become ?? 'sudo';
  const become = { sudo: `sudo -S -p '${prompt}' --`, doas: 'doas -n --' }[by];
  const asRoot = target.user === 'root' ? wait : `${become} ${wait}`;
  const channel = link.exec(asRoot, (opened) => new RootShell(opened, link));
  const shell = await unlessAborted(channel, deadline).catch((error: unknown) => {
    throw deadline.aborted ? late : error;
  });
  let said = '';
  let answered = false;
  return new Promise((resolve, reject) => {
    const give = (error: Error) => {
      clearTimeout(timer);
      reject(error);
      shell.destroy();
    };
    const timer = setTimeout(() => give(late), opening);
    shell.attach({
      out: () => {},
      err: (chunk) => {
        said = (said + chunk.toString()).slice(-4096);
        if (said.includes(ready)) {
          clearTimeout(timer);
          resolve(shell);
        } else if (said.endsWith(prompt)) {
          said = said.slice(0, -prompt.length);
          // Only when asked, or a host that asks nothing would run the password as code. Only once: sudo would take
          // whatever comes next for further attempts, and lock the account.
          const password = target.sudoPassword ?? target.password;
          if (password === undefined)
            give(new SudoRefused(target, `sudo asks for the password of ${target.user}, and none is given`));
          else if (answered) give(new SudoRefused(target, `sudo refuses the password of ${target.user}`));
          else shell.write(`${password}\n`);
          answered = true;
        }
      },
    });
    void shell.ended.then(({ code }) => {
      if (link.broken || code === undefined) return give(link.broken ?? new LinkLost(target, 'the channel was closed'));
      const why = printable(said.trim()).slice(-500);
      if (target.user === 'root') {
        return give(new AuthenticationFailed(target, `lets root in but gives no shell (exit code ${code}): ${why}`));
      }
      if (code === 127) {
        return give(new SudoRefused(target, `has no ${by}: ${why}`, `Install ${by} there, or log in as root.`));
      }
      if (by === 'doas') {
        const hint = `It must not ask for a password: let \`permit nopass ${target.user} as root\` be in its /etc/doas.conf, or use sudo.`;
        return give(new SudoRefused(target, `doas does not let ${target.user} become root: ${why}`, hint));
      }
      return give(new SudoRefused(target, `sudo does not let ${target.user} become root (exit code ${code}): ${why}`));
    });
  });
}

/** Runs one program after another, as long as they leave it alive. */
export class RootShell {
  readonly ended: Promise<Ended>;
  readonly #channel: Channel;
  readonly #link: Link;
  #sinks: Sinks | undefined;
  /** What came on stderr before anybody listened. */
  #early: Buffer[] = [];
  #gone = false;
  /** Programs that it was sent. */
  uses = 0;

  constructor(channel: Channel, link: Link) {
    this.#channel = channel;
    this.#link = link;
    let ended: Ended = {};
    this.ended = new Promise((resolve) => {
      let forget = () => {};
      const end = () => {
        forget();
        this.#gone = true;
        resolve(ended);
      };
      channel
        .on('data', (chunk: Buffer) => this.#sinks?.out(chunk))
        .on('exit', (code: number | null, signal?: string) => {
          ended = code === null ? (signal === undefined ? {} : { signal }) : { code };
        })
        // Writing to a link that breaks: the end of the channel says so too.
        .on('error', () => {})
        .on('close', end);
      forget = link.onBroken(end);
      channel.stderr.on('data', (chunk: Buffer) => (this.#sinks ? this.#sinks.err(chunk) : this.#early.push(chunk)));
    });
  }

  get alive(): boolean {
    return !this.#gone && !this.#link.broken;
  }

  attach(sinks: Sinks): void {
    this.#sinks = sinks;
    for (const chunk of this.#early.splice(0)) sinks.err(chunk);
  }

  /** Sends the program, and after it what the program reads from its stdin, which stays open. */
  start(program: string, stdin: Buffer | string, sinks: Sinks): void {
    this.attach(sinks);
    this.uses += 1;
    const text = Buffer.from(program);
    this.#channel.write(Buffer.concat([Buffer.from(`${text.length}\n`), text, Buffer.from(stdin)]));
  }

  /** A line to the program that runs. */
  write(text: string): void {
    if (this.alive) this.#channel.write(text);
  }

  /** No further program is to come. The channel ends even if something that ran hangs on to it. */
  end(): void {
    if (this.alive) this.#channel.end(() => this.destroy());
  }

  /** Lets go. The program learns it by the end of its stdin, or when it next writes. */
  destroy(): void {
    this.#sinks = { out: () => {}, err: () => {} };
    if (this.alive) this.#channel.close();
    this.#gone = true;
  }
}

/** A shell that is not there in time is let go when it comes. Rejects with the signal's reason. */
export async function unlessAborted(opening: Promise<RootShell>, signal: AbortSignal): Promise<RootShell> {
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error);
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
  });
  try {
    return await Promise.race([opening, aborted]);
  } catch (error) {
    opening.then(
      (unwanted) => unwanted.destroy(),
      () => {},
    );
    throw error;
  } finally {
    if (stop) signal.removeEventListener('abort', stop);
  }
}
