import { ApplicationFailure, condition, isCancellation } from '@temporalio/workflow';
import type { Packed } from '../plan/pack.ts';
import { admitFollowUp, admitRollback, holderOf } from './admission.ts';
import type { ApplyReply, ApplyRequest, ClusterControls, ClusterReply, RunningRollout } from './contract.ts';
import { admitRepair } from './measure.ts';
import { isPlanning } from './membership.ts';
import type { Memory } from './memory.ts';
import { skipped } from './parked.ts';
import type { Beginning, Rollouts } from './rollouts.ts';

/** Who stands for what nobody has asked for. */
const ITSELF = 'farweave';
const SOMEBODY = 'somebody';

/** Of a repair: somebody has to agree before it changes anything. */
const APPROVAL = { before: 'start', expires: 86_400_000 } as const;

/** What a cluster does besides applies: because somebody asks for it, a host answers again, or a turn has come. */
export class Requests {
  readonly #name: string;
  readonly #memory: Memory;
  readonly #rollouts: Rollouts;

  constructor(name: string, memory: Memory, rollouts: Rollouts) {
    this.#name = name;
    this.#memory = memory;
    this.#rollouts = rollouts;
  }

  async followUp({ hosts, by = SOMEBODY, reason }: ClusterControls['followUp'] = {}): Promise<ClusterReply> {
    const revisits = admitFollowUp(this.#name, this.#memory.state, { ...(hosts && { hosts }) });
    const what = `${listed(revisits)} ${revisits.length === 1 ? 'is' : 'are'} to be tried again${because(reason)}`;
    return begun(await this.#rollouts.begin(this.#following(revisits, what, by)));
  }

  /** A signal cannot be refused: then that is an event. */
  async heedFollowUp(given: unknown): Promise<void> {
    // Whatever somebody has typed.
    const asked = (typeof given === 'object' ? (given ?? {}) : {}) as ClusterControls['followUp'];
    const said = await this.followUp(asked).then(() => undefined, reasonOf);
    if (said !== undefined) this.#memory.note(`a follow-up ${said}`, asked.by ?? SOMEBODY);
  }

  /** Parked hosts answer again. Says whether a follow-up has begun. */
  async answering(hosts: readonly string[]): Promise<boolean> {
    const what = `${listed(hosts)} ${hosts.length === 1 ? 'answers' : 'answer'} again`;
    const said = await this.#rollouts.begin(this.#following(hosts, what, ITSELF)).then(() => undefined, reasonOf);
    if (said !== undefined) this.#memory.note(`a follow-up ${said}`, ITSELF);
    return said === undefined;
  }

  async acceptHostKey({ host, fingerprint, by = SOMEBODY }: ClusterControls['acceptHostKey']): Promise<ClusterReply> {
    this.#memory.accept(host, fingerprint, by);
    const { rollout, last } = this.#memory.state;
    const said = `${host} is held to ${fingerprint} from now on`;
    if (rollout || this.#rollouts.isBeginning) return { said: `${said}; what runs ends first, then it is taken along` };
    if (last?.state !== 'done' || this.#memory.state.plans?.[last.digest] === undefined)
      return { said: `${said}; apply again to take it along` };
    const beginning = this.#following([host], `the new key of ${host} was accepted`, by);
    return begun(await this.#rollouts.begin(beginning), `${said}; `);
  }

  async rollbackTo({ revision, by = SOMEBODY, reason }: ClusterControls['rollbackTo'] = {}): Promise<ClusterReply> {
    const { state } = this.#memory;
    const wanted = admitRollback(this.#name, state, { ...(revision !== undefined && { revision }) });
    const says = `goes back to the plan of revision ${wanted.revision}${because(reason)}`;
    const request = this.#again(wanted.digest, by);
    const known = new Set(request.plan.hosts.map((host) => host.name));
    const others = Object.keys(state.knowledge.indexes).filter((host) => !known.has(host));
    const reply = await this.#rollouts.begin({ request, says, goesBackTo: wanted.revision });
    if (others.length > 0) this.#memory.note(`revision ${wanted.revision} did not know ${listed(others)}: left as is`);
    return begun(reply, '', ` with the plan of revision ${wanted.revision}`);
  }

  async repair({ by = SOMEBODY, reason, approved }: ClusterControls['repair'] = {}): Promise<ClusterReply> {
    const { state } = this.#memory;
    const request = this.#again(admitRepair(this.#name, state), by);
    const says = `repairs the drift of ${listed(Object.keys(state.drift!.hosts))}${because(reason)}`;
    const repair = { leavesOut: skipped(state), ...(!approved && { approval: APPROVAL }) };
    return begun(await this.#rollouts.begin({ request, says, repair }));
  }

  async withdraw({ by = SOMEBODY, reason }: ClusterControls['withdraw'] = {}): Promise<ClusterReply> {
    const { digest, by: whose } = this.#memory.state.queued!;
    const what = `apply of plan ${digest.slice(0, 12)} by ${whose}`;
    this.#memory.dequeue(`${what} is withdrawn${because(reason)}`, by);
    return { said: `the ${what} waits no longer` };
  }

  /** Begins what waits as soon as it may: when the rollout before it has ended, or is stuck. Never ends. */
  async takeTurns(): Promise<never> {
    for (;;) {
      await condition(() => this.#isTurn);
      const waiting = this.#memory.state.waiting!;
      const { queue: _, ...request } = waiting;
      const before = this.#memory.state.rollout?.revision;
      const begins = this.#rollouts.begin({ request });
      const said = await begins.then(() => 'is under way', reasonOf);
      // The one before takes its time to end: it goes on waiting.
      if (
        before !== undefined &&
        this.#memory.state.rollout?.revision === before &&
        this.#memory.state.waiting === waiting
      ) {
        await condition(
          () => this.#memory.state.rollout?.revision !== before || this.#memory.state.waiting !== waiting,
        );
        continue;
      }
      // Still there: it could not begin, or its plan was being rolled out already.
      if (this.#memory.state.waiting === waiting) this.#memory.dequeue(`what waited for its turn ${said}`, request.by);
    }
  }

  get #isTurn(): boolean {
    const { state } = this.#memory;
    const { waiting } = state;
    if (waiting === undefined || this.#rollouts.isBeginning || isPlanning(state)) return false;
    return holderOf(state, waiting) === undefined;
  }

  #following(revisits: readonly string[], why: string, by: string): Beginning {
    const { last } = this.#memory.state;
    const leavesOut = skipped(this.#memory.state, revisits);
    const says = `follows up revision ${last!.revision}: ${why}`;
    return { request: this.#again(last!.digest, by), says, followUp: { revisits, leavesOut } };
  }

  /** A plan once more, with what is known by now. */
  #again(digest: string, by: string): Packed<ApplyRequest> {
    const { plans, version, knowledge, specs } = this.#memory.state;
    const wanted = specs?.[digest];
    return { plan: plans![digest]!, digest, basis: version, knowledge, sealed: {}, by, ...(wanted && { wanted }) };
  }
}

/** Anything else than a refusal is a fault of this program: then the task fails, and goes on once it is mended. */
export function reasonOf(error: unknown): string {
  if (error instanceof ApplicationFailure || isCancellation(error)) return `was refused: ${(error as Error).message}`;
  throw error;
}

function begun(
  { attached: _attached, queued: _queued, ...rollout }: ApplyReply,
  before = '',
  after = '',
): ClusterReply {
  const running: RunningRollout = rollout;
  return { said: `${before}revision ${running.revision} has begun${after}`, rollout: running };
}

const because = (reason: string | undefined) => (reason === undefined ? '' : ` (${reason})`);
const listed = (hosts: readonly string[]) =>
  hosts.length <= 5 ? hosts.join(', ') : `${hosts.slice(0, 4).join(', ')} and ${hosts.length - 4} more`;
