import type { Duplex } from 'node:stream';
import { ChannelRefused } from './connection.ts';
import { HostKeyChanged, printable, SshError, Unreachable } from './errors.ts';
import type { Target } from './host.ts';
import { keyOfTarget } from './key.ts';
import type { Limiter } from './limits.ts';
import { Links, type LinksOptions } from './links.ts';
import { hasShown, unpinned } from './pins.ts';

/** Streams a connection. sshd has no limit of its own for them, but each waits for those before it. */
const STREAMS = 250;

export interface BastionsOptions extends LinksOptions {
  /** Milliseconds without a stream, until the connection to a bastion is closed. */
  readonly idle: number;
}

/** A bastion shows another key than before. Nothing was sent to it, nor through it. */
export class BastionKeyChanged extends SshError {
  readonly code = 'BastionKeyChanged';

  constructor({ place, expected, shown }: HostKeyChanged) {
    super(
      place,
      `shows the host key ${shown}, not ${expected}`,
      `If the bastion was rebuilt on purpose, write its key into the cluster file (bastions.${place.name}.hostKey: ${shown}), and apply. If not, somebody stands in between.`,
    );
  }
}

/** The connections to one bastion, and how many streams lead through them, or are about to. */
interface Gate {
  bastion: Target;
  readonly links: Links;
  streams: number;
  idle?: NodeJS.Timeout;
}

/** The ways through bastions. All hosts behind a bastion share one login to it. */
export class Bastions {
  readonly #options: BastionsOptions;
  readonly #closing: AbortSignal;
  readonly #limiter: Limiter;
  readonly #gates = new Map<string, Gate>();

  constructor(options: BastionsOptions, closing: AbortSignal, limiter: Limiter) {
    this.#options = { ...options, channels: STREAMS, links: Infinity };
    this.#closing = closing;
    this.#limiter = limiter;
  }

  /**
   * A stream to the sshd of a machine, through the bastion that leads to it. Rejects with what is wrong with the bastion
   * (Unreachable, LinkLost, AuthenticationFailed, BastionKeyChanged), or with Unreachable where it cannot get there either.
   */
  async dial(to: Target, bastion: Target): Promise<Duplex> {
    const gate = this.#gateTo(bastion);
    clearTimeout(gate.idle);
    gate.streams += 1;
    try {
      const stream = await gate.links.openStream(to);
      return stream.on('close', () => this.#release(gate));
    } catch (error) {
      this.#release(gate);
      if (error instanceof HostKeyChanged) throw new BastionKeyChanged(error);
      throw error instanceof ChannelRefused ? unled(to, bastion, error) : error;
    }
  }

  /** The keys that the bastions on the way to a machine have shown, by name. */
  keysTo({ via }: Target): Readonly<Record<string, string>> {
    if (!via) return {};
    const key = this.#gates.get(keyOfTarget(via))?.links.hostKey;
    return { ...this.keysTo(via), ...(key !== undefined && { [via.name]: key }) };
  }

  end(): void {
    for (const { links, idle } of this.#gates.values()) {
      clearTimeout(idle);
      links.end();
    }
    this.#gates.clear();
  }

  #gateTo(bastion: Target): Gate {
    const gate = this.#gates.get(keyOfTarget(bastion)) ?? this.#met(bastion) ?? this.#made(bastion);
    gate.bastion = bastion;
    this.#gates.set(keyOfTarget(bastion), gate);
    return gate;
  }

  /** One that was met without pins, and has shown what is wanted by now: from here on the same connection is held to that. */
  #met(bastion: Target): Gate | undefined {
    const before = unpinned(bastion);
    if (!hasShown(bastion, this.keysTo({ ...bastion, via: before }))) return undefined;
    const gate = this.#gates.get(keyOfTarget(before));
    this.#gates.delete(keyOfTarget(before));
    return gate;
  }

  #made(bastion: Target): Gate {
    const dial = bastion.via && (() => this.dial(gate.bastion, gate.bastion.via!));
    const turns = { limiter: this.#limiter, shares: bastion.shares ?? [] };
    const gate: Gate = {
      bastion,
      links: new Links(bastion, this.#options, this.#closing, { turns, dial }),
      streams: 0,
    };
    return gate;
  }

  #release(gate: Gate): void {
    gate.streams -= 1;
    if (gate.streams > 0) return;
    const forget = () => {
      gate.links.end();
      this.#gates.delete(keyOfTarget(gate.bastion));
    };
    // Nobody is there: no reason to remember its credentials, nor a key.
    if (gate.links.none) forget();
    else gate.idle = setTimeout(forget, this.#options.idle).unref();
  }
}

/** RFC 4254, section 5.1. */
const CONNECT_FAILED = 2;

/** A bastion that does not lead to a machine: whose fault it is depends on why. */
function unled(to: Target, bastion: Target, { reason, message }: ChannelRefused): Unreachable {
  if (reason === CONNECT_FAILED) return new Unreachable(to, `through ${bastion.name}: ${said(message)}`);
  return new Unreachable(
    bastion,
    `does not let us through to ${to.address}:${to.port}: ${said(message)}`,
    undefined,
    'Its sshd must allow it: AllowTcpForwarding and PermitOpen.',
  );
}

const said = (message: string) => printable(message).slice(0, 200);
