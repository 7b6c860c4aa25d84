import {
  type ChildWorkflowHandle,
  type ChildWorkflowOptions,
  condition,
  getExternalWorkflowHandle,
  ParentClosePolicy,
  patched,
  startChild,
} from '@temporalio/workflow';
import type { Packed } from '../plan/pack.ts';
import { isErasing } from '../plan/plan.ts';
import { admit, holderOf, refused } from './admission.ts';
import {
  type ApplyReply,
  type ApplyRequest,
  type ClusterState,
  clusterId,
  type RolloutInput,
  type RunningRollout,
  reportSignal,
  rolloutId,
  skipSignal,
} from './contract.ts';
import { generated } from './generated.ts';
import type { Memory } from './memory.ts';
import { ownership, refuseMoved } from './owner.ts';
import { attributes } from './report.ts';
import type { rollout } from './rollout.ts';

/** How long a rollout that another plan takes the place of may need to come to its end. */
const SUPERSEDING = '10 minutes';

/** A rollout to begin: what an apply asks for, or the cluster itself. */
export interface Beginning {
  readonly request: Packed<ApplyRequest>;
  /** What is new about it, for the cluster's events. */
  readonly says?: string;
  /** For hosts that were parked: gives way to any other plan. */
  readonly followUp?: { readonly revisits: readonly string[]; readonly leavesOut: readonly string[] };
  readonly goesBackTo?: number;
  /** A host that leaves under another name. */
  readonly renamed?: RunningRollout['renamed'];
  /** Ids of the requests that it carries out. */
  readonly requests?: readonly string[];
  /** What its plan was made from: where that is another by now, the plan does not hold. */
  readonly madeFrom?: { readonly [Key in 'wanted' | 'former']: ClusterState[Key] | undefined };
  /** Of what has drifted: gives way to any apply. */
  readonly repair?: Pick<RolloutInput, 'approval'> & { readonly leavesOut: readonly string[] };
}

/** The rollouts of a cluster, one at a time: begins them, and notices when they are gone. */
export class Rollouts {
  readonly #name: string;
  readonly #memory: Memory;
  #beginning: { readonly digest: string; readonly reply: Promise<ApplyReply> } | undefined;
  /** The rollout that was begun in this run, and whose end the server tells us of. After continue-as-new there is none. */
  #watched: number | undefined;

  constructor(name: string, memory: Memory) {
    this.#name = name;
    this.#memory = memory;
  }

  get isBeginning(): boolean {
    return this.#beginning !== undefined;
  }

  get isUnwatched(): boolean {
    const { rollout } = this.#memory.state;
    return rollout !== undefined && rollout.revision !== this.#watched;
  }

  /** Begins a rollout, or finds the one of the same plan that runs, or lets the request wait for its turn. */
  async begin(beginning: Beginning): Promise<ApplyReply> {
    const { digest, queue } = beginning.request;
    if (this.#beginning?.digest === digest) return { ...(await this.#beginning.reply), attached: true };
    if (this.#beginning && queue) {
      await this.#beginning.reply.catch(() => {});
      return this.begin(beginning);
    }
    if (this.#beginning)
      throw refused('RolloutRunning', `another rollout of ${this.#name} is about to begin: wait until it has ended`);
    const reply = this.#proceed(beginning);
    this.#beginning = { digest, reply };
    return reply.finally(() => (this.#beginning = undefined));
  }

  /** To a rollout that is gone nothing can be sent. */
  async checkUp(): Promise<void> {
    const running = this.#memory.state.rollout;
    if (!running || running.revision === this.#watched) return;
    const asked = getExternalWorkflowHandle(running.workflowId, running.runId).signal(reportSignal);
    await asked.catch(() => this.#memory.vanished(running.revision));
  }

  async #proceed(beginning: Beginning): Promise<ApplyReply> {
    const { request, followUp, repair } = beginning;
    await this.checkUp();
    refuseMoved(this.#name, this.#memory.state);
    admit(this.#name, this.#memory.state, request); // once more: since the validator, another one may have begun
    const running = this.#memory.state.rollout;
    // A repair may wait for somebody to agree: who applies the same plan has.
    if (running?.digest === request.digest && (repair || !running.repair)) {
      if (!followUp) this.#memory.claimed(request.by);
      return { ...this.#memory.state.rollout!, attached: true };
    }
    const holder = holderOf(this.#memory.state, request);
    if (holder) {
      this.#memory.queue(request);
      return { ...holder, attached: false, queued: true };
    }
    return { ...(await this.#start(beginning)), attached: false };
  }

  async #start(beginning: Beginning): Promise<RunningRollout> {
    const { request, says, followUp, goesBackTo, renamed, repair, requests = [], madeFrom } = beginning;
    const { plan, digest, by, after } = request;
    await this.#supersede(by);
    const before = this.#memory.state;
    if (madeFrom && (before.wanted !== madeFrom.wanted || before.former !== madeFrom.former))
      throw refused('PlanOutdated', `${this.#name} has changed since this plan was made: plan again`);
    const made = await generated(request, this.#memory.state.sealed);
    // Cluster workflows that began under an older release followed nobody up, and replay so.
    const keeps = patched('keep-plans');
    const revision = this.#memory.remember(request, made, renamed);
    const leaving = plan.hosts.filter((host) => host.leaving).map((host) => host.name);
    let child: ChildWorkflowHandle<typeof rollout>;
    try {
      child = await this.#child(beginning, revision);
    } catch (error) {
      this.#memory.retract(before);
      throw error;
    }
    const running: RunningRollout = {
      revision,
      workflowId: child.workflowId,
      runId: child.firstExecutionRunId,
      digest,
      purpose: plan.purpose,
      by,
      since: new Date().toISOString(),
      hosts: plan.hosts.length,
      ...(followUp && { followUp: true, revisits: followUp.revisits }),
      ...(goesBackTo !== undefined && { goesBackTo }),
      ...(after && { keeps: after.digest, ...(after.part && { part: true }) }),
      ...(leaving.length > 0 && { leaving }),
      ...(renamed && { renamed }),
      ...(isErasing(plan) && { erases: true }),
      ...(repair && { repair: true }),
    };
    this.#memory.carriesOut(requests, revision);
    const what = says ?? `${plan.purpose} of plan ${digest.slice(0, 12)} began`;
    this.#memory.began(
      running,
      by,
      `revision ${revision}${says === undefined ? ': ' : ' '}${what}`,
      keeps ? (after?.plan ?? plan) : undefined,
    );
    void this.#watch(revision, child);
    for (const host of (followUp ?? repair)?.leavesOut ?? []) {
      const note = { host, by, reason: 'it was skipped before' };
      await child.signal(skipSignal, note).catch(() => {}); // it has ended already
    }
    return running;
  }

  async #child({ request, repair }: Beginning, revision: number): Promise<ChildWorkflowHandle<typeof rollout>> {
    const { plan, digest, by } = request;
    const [name, memory] = [this.#name, this.#memory];
    const workflowId = rolloutId(name, revision);
    const approval = repair?.approval && { approval: repair.approval };
    const told = { ...ownership(name, memory, request), ...approval, reportTo: clusterId(name), notes: true } as const;
    const options = {
      workflowId,
      args: [{ plan, revision, sealed: memory.sealedFor(request), facts: memory.state.facts, ...told }],
      parentClosePolicy: ParentClosePolicy.ABANDON, // or continuing as new would terminate it
      staticSummary: `${name}: revision ${revision}, ${plan.purpose}, ${plan.hosts.length} hosts`,
      staticDetails: `Signals: \`pause\`, \`resume\`, \`rollback\`, each with \`{"by": "you", "reason": "…"}\`. Plan \`${digest}\`, by ${by}.`,
      typedSearchAttributes: attributes({ cluster: name, revision, state: 'surveying' }),
      priority: { fairnessKey: name }, // of its sites too
    } satisfies ChildWorkflowOptions & { args: Parameters<typeof rollout> };
    return startChild<typeof rollout>('rollout', options).catch(() => {
      throw refused(
        'RolloutRunning',
        `${workflowId} runs, left over from a cluster workflow that is gone: cancel it first`,
      );
    });
  }

  /** The server tells of every end, also of one that a rollout could not tell of itself. */
  async #watch(revision: number, child: ChildWorkflowHandle<typeof rollout>): Promise<void> {
    this.#watched = revision;
    await child.result().catch(() => {}); // what it came to was told by signal
    this.#memory.vanished(revision);
  }

  /** A rollout that is stuck gives way to a plan that somebody has mended; one that only looks, or follows up, to any. */
  async #supersede(by: string): Promise<void> {
    const memory = this.#memory;
    const running = memory.state.rollout;
    if (!running) return;
    memory.gaveWay(running.revision, by);
    const asked = getExternalWorkflowHandle(running.workflowId, running.runId).cancel();
    await asked.catch(() => memory.vanished(running.revision));
    const ended = await condition(() => memory.state.rollout === undefined, SUPERSEDING);
    if (!ended)
      throw refused('RolloutRunning', `revision ${running.revision} has been cancelled, but has not ended yet`);
  }
}
