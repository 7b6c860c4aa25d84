import {
  allHandlersFinished,
  CancellationScope,
  type ChildWorkflowHandle,
  type ChildWorkflowOptions,
  condition,
  continueAsNew,
  getExternalWorkflowHandle,
  ParentClosePolicy,
  proxyActivities,
  setHandler,
  startChild,
  workflowInfo,
} from '@temporalio/workflow';
import type { GenerateSecrets } from '../activities/contract.ts';
import type { Packed } from '../plan/pack.ts';
import { DIGEST_KEY, type Plan } from '../plan/plan.ts';
import { admit, refused } from './admission.ts';
import {
  type ApplyReply,
  type ApplyRequest,
  applyUpdate,
  type ClusterInput,
  clusterId,
  type RunningRollout,
  reportSignal,
  rolloutChangedSignal,
  rolloutEndedSignal,
  rolloutId,
  statusQuery,
} from './contract.ts';
import { Memory } from './memory.ts';
import { letMove, ownership, refuseMoved } from './owner.ts';
import { attributes } from './report.ts';
import type { rollout } from './rollout.ts';

const { 'secrets.generate': generate } = proxyActivities<{ 'secrets.generate': GenerateSecrets }>({
  startToCloseTimeout: '30 seconds',
  scheduleToCloseTimeout: '1 hour',
});

/** How long a rollout that another plan takes the place of may need to come to its end. */
const SUPERSEDING = '10 minutes';
/** How often one that nobody watches is asked for a sign of life. */
const CHECKUP = '5 minutes';

/** The life of a cluster: what it has become, and one rollout at a time. It lasts as long as the cluster. */
export async function cluster({ name, state }: ClusterInput): Promise<void> {
  const memory = new Memory(name, state);
  let starting: { readonly digest: string; readonly reply: Promise<ApplyReply> } | undefined;
  /** The rollout that was begun in this run, and whose end the server tells us of. After continue-as-new there is none. */
  let watched: number | undefined;

  // A cancellation of this workflow, pressed in the Web UI by mistake, must not reach what it does for others.
  setHandler(applyUpdate, (request) => CancellationScope.nonCancellable(() => apply(request)), {
    validator: admitted,
    description: 'Begins to roll a plan out. Answers when it has begun. Sent by `farweave apply`.',
  });
  setHandler(statusQuery, () => memory.state, { description: 'Everything that is remembered of this cluster.' });
  setHandler(rolloutChangedSignal, (news) => memory.changed(news), { description: 'Sent by a rollout.' });
  setHandler(rolloutEndedSignal, (news) => memory.ended(news), { description: 'Sent by a rollout.' });
  letMove(name, memory, () => starting !== undefined);

  function admitted(request: Packed<ApplyRequest>): void {
    refuseMoved(name, memory.state);
    admit(name, memory.state, request);
  }

  async function apply(request: Packed<ApplyRequest>): Promise<ApplyReply> {
    const { digest } = request;
    if (starting?.digest === digest) return { ...(await starting.reply), attached: true };
    if (starting)
      throw refused('RolloutRunning', `another rollout of ${name} is about to begin: wait until it has ended`);
    const reply = proceed(request);
    starting = { digest, reply };
    return reply.finally(() => (starting = undefined));
  }

  async function proceed(request: Packed<ApplyRequest>): Promise<ApplyReply> {
    await checkUp();
    admitted(request); // once more: since the validator, another one may have begun
    const running = memory.state.rollout;
    if (running?.digest === request.digest) return { ...running, attached: true };
    return { ...(await begin(request)), attached: false };
  }

  async function begin(request: Packed<ApplyRequest>): Promise<RunningRollout> {
    const { plan, digest, by } = request;
    await supersede(by);
    const made = await generate({ secrets: missing(plan, memory) }).catch(unable);
    const revision = memory.remember(request, made);
    const workflowId = rolloutId(name, revision);
    const told = { ...ownership(name, memory, request), reportTo: clusterId(name) };
    const options = {
      workflowId,
      args: [{ plan, revision, sealed: memory.sealedFor(request), facts: memory.state.facts, ...told }],
      parentClosePolicy: ParentClosePolicy.ABANDON, // or continuing as new would terminate it
      staticSummary: `${name}: revision ${revision}, ${plan.purpose}, ${plan.hosts.length} hosts`,
      staticDetails: `Signals: \`pause\`, \`resume\`, \`rollback\`, each with \`{"by": "you", "reason": "…"}\`. Plan \`${digest}\`, by ${by}.`,
      typedSearchAttributes: attributes({ cluster: name, revision, state: 'surveying' }),
    } satisfies ChildWorkflowOptions & { args: Parameters<typeof rollout> };
    const child = await startChild<typeof rollout>('rollout', options).catch(() => {
      throw refused(
        'RolloutRunning',
        `${workflowId} runs, left over from a cluster workflow that is gone: cancel it first`,
      );
    });
    const running = { revision, workflowId, runId: child.firstExecutionRunId, digest, purpose: plan.purpose };
    memory.began(running, by);
    void watch(revision, child);
    return running;
  }

  /** The server tells of every end, also of one that a rollout could not tell of itself. */
  async function watch(revision: number, child: ChildWorkflowHandle<typeof rollout>): Promise<void> {
    watched = revision;
    await child.result().catch(() => {}); // what it came to was told by signal
    memory.vanished(revision);
  }

  /** A rollout that is stuck gives way to a plan that somebody has mended. */
  async function supersede(by: string): Promise<void> {
    const running = memory.state.rollout;
    if (!running) return;
    memory.note(`revision ${running.revision} gives way to another plan`, by);
    const asked = getExternalWorkflowHandle(running.workflowId, running.runId).cancel();
    await asked.catch(() => memory.vanished(running.revision));
    const ended = await condition(() => memory.state.rollout === undefined, SUPERSEDING);
    if (!ended)
      throw refused('RolloutRunning', `revision ${running.revision} has been cancelled, but has not ended yet`);
  }

  /** To a rollout that is gone nothing can be sent. */
  async function checkUp(): Promise<void> {
    const running = memory.state.rollout;
    if (!running || running.revision === watched) return;
    const asked = getExternalWorkflowHandle(running.workflowId, running.runId).signal(reportSignal);
    await asked.catch(() => memory.vanished(running.revision));
  }

  const isFull = () => workflowInfo().continueAsNewSuggested && starting === undefined && allHandlersFinished();

  // A cancellation would end what the cluster is remembered by: to forget it on purpose, terminate it.
  await CancellationScope.nonCancellable(async () => {
    while (!isFull()) {
      await checkUp();
      const isUnwatched = () => memory.state.rollout !== undefined && memory.state.rollout.revision !== watched;
      if (isUnwatched()) await condition(isFull, CHECKUP);
      else await condition(() => isFull() || isUnwatched());
    }
    await continueAsNew<typeof cluster>({ name, state: memory.state });
  });
}

function missing(plan: Pick<Plan, 'secrets'>, { state }: Memory): Parameters<GenerateSecrets>[0]['secrets'] {
  const wanted = {
    ...plan.secrets,
    [DIGEST_KEY]: { from: 'generated', length: 43, alphabet: 'alphanumeric' } as const,
  };
  return Object.fromEntries(
    Object.entries(wanted).flatMap(([secret, source]) => {
      if (source.from !== 'generated' || state.sealed[secret] !== undefined) return [];
      const { length, alphabet } = source;
      return [[secret, { length, alphabet }] as const];
    }),
  );
}

function unable(error: unknown): never {
  throw refused('InvalidRequest', `the secrets could not be made: ${String(error)}`);
}
