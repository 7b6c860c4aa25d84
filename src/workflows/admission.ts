import { ApplicationFailure } from '@temporalio/workflow';
import type { Packed } from '../plan/pack.ts';
import type { ApplyRequest, ClusterControls, ClusterState, Refusal, Revision, RunningRollout } from './contract.ts';
import { isQuestion, skipped } from './parked.ts';
import { earlier } from './revisions.ts';

/**
 * Whether something may be done now. Each throws what the sender is told if not. Synchronous: the SDK ignores what an
 * asynchronous validator says.
 */

export function admit(name: string, state: ClusterState, request: Packed<ApplyRequest>): void {
  const { plan, digest, basis, knowledge, queue } = request;
  if (plan.cluster !== name)
    throw refused('InvalidRequest', `this is the cluster ${name}, the plan is for ${plan.cluster}`);
  if (queue && plan.purpose !== 'apply') throw refused('InvalidRequest', 'only an apply can wait for its turn');
  if (state.rollout?.digest === digest) return;
  if (basis !== state.version && !holdsStill(state, knowledge))
    throw refused(
      'PlanOutdated',
      `the plan was made from version ${basis} of what is known of ${name}, which has version ${state.version} by now: plan again`,
    );
  admitHosts(name, state, request);
  const holder = holderOf(state, request);
  if (holder && !queue) throw refused('RolloutRunning', holding(name, holder));
}

/** Nobody leaves by being forgotten in a file, or comes back by standing in an old one. */
function admitHosts(name: string, state: ClusterState, { plan, basis, wanted, former }: Packed<ApplyRequest>): void {
  const { purpose } = plan;
  if ((purpose !== 'apply' && purpose !== 'destroy') || wanted === undefined) return;
  const there = new Set(plan.hosts.map((host) => host.name));
  const isForgotten = state.former && !former && state.former.hosts.some((host) => !there.has(host));
  if (basis < (state.leftAt ?? 0) || (purpose === 'apply' && isForgotten))
    throw refused('PlanOutdated', `hosts of ${name} have left since this plan was made, or are leaving: plan again`);
  // Hosts that were destroyed with the others and did not answer may never do so.
  if (state.destroyed) return;
  const missing = state.wanted?.hosts.filter((host) => !there.has(host)) ?? [];
  if (missing.length === 0) return;
  const [are, them] = missing.length === 1 ? ['is', 'it'] : ['are', 'them'];
  throw refused(
    'HostsMissing',
    `${missing.join(', ')} ${are} in ${name}, and not in this plan: farweave host remove takes ${them} out in order`,
  );
}

/** The rollout that a plan has to wait for. A verification and a follow-up give way to whoever comes; a rollout that is stuck to a mended plan, not to somebody who only looks. */
export function holderOf(
  { rollout }: Pick<ClusterState, 'rollout'>,
  { plan: { purpose } }: { readonly plan: Pick<ApplyRequest['plan'], 'purpose'> },
): RunningRollout | undefined {
  if (!rollout || rollout.purpose === 'verify' || rollout.followUp) return undefined;
  // What has stopped half-way through a restore must not be tidied away by a backup, nor begun anew by another restore.
  const mends = purpose === 'apply' || purpose === 'destroy';
  return (rollout.stuck || rollout.repair) && mends ? undefined : rollout;
}

/** Gives the hosts that are to come along again. */
export function admitFollowUp(
  name: string,
  state: ClusterState,
  asked: Pick<ClusterControls['followUp'], 'hosts'> | null = {},
): readonly string[] {
  const { rollout, last, parked = {} } = state;
  const { hosts } = asked ?? {};
  // It may come by signal, as whatever somebody has typed.
  if (hosts !== undefined && !(Array.isArray(hosts) && hosts.every((host) => typeof host === 'string')))
    throw refused('InvalidRequest', 'hosts is a list of names, such as {"hosts": ["vm2"]}');
  if (rollout) throw refused('RolloutRunning', holding(name, rollout));
  const names = Object.keys(parked);
  if (names.length === 0) throw refused('InvalidRequest', `no host of ${name} is parked`);
  const unknown = hosts?.filter((host) => !names.includes(host)) ?? [];
  if (unknown.length > 0)
    throw refused('InvalidRequest', `not parked: ${unknown.join(', ')}; parked are ${names.join(', ')}`);
  if (last?.state !== 'done' && !last?.followUp)
    throw refused('InvalidRequest', `revision ${last?.revision ?? state.revision} has not ended well: apply again`);
  if (state.plans?.[last.digest] === undefined)
    throw refused('InvalidRequest', `the plan of revision ${last.revision} is not kept: apply again`);
  const left = skipped(state);
  const wanted = hosts && hosts.length > 0 ? hosts : names.filter((host) => !left.includes(host));
  if (wanted.length > 0) return wanted;
  throw refused(
    'InvalidRequest',
    `somebody has skipped ${left.join(', ')}: name the hosts that are to come along again`,
  );
}

/** Whether a host shows another key, which may be accepted, and it is this one. */
export function admitHostKey(
  name: string,
  { parked = {}, plans = {}, last, knowledge, rollout }: ClusterState,
  { host, fingerprint }: ClusterControls['acceptHostKey'] = { host: '', fingerprint: '' },
): void {
  const open = parked[host];
  if (!open && knowledge.indexes[host] === undefined) throw refused('InvalidRequest', `${name} has no host ${host}`);
  if ((!open || !isQuestion(open)) && rollout)
    throw refused(
      'RolloutRunning',
      `revision ${rollout.revision} goes by the keys that it began with: wait until it has ended (or farweave cancel), then accept`,
    );
  if (!open || !isQuestion(open))
    throw refused('InvalidRequest', `no other key than the known one is shown by ${host}`);
  const plan = last && plans[last.digest];
  if (plan?.hosts.find((each) => each.name === host)?.hostKey !== undefined)
    throw refused('InvalidRequest', `cluster.yaml pins the key of ${host}: change its hostKey there, and apply`);
  if (open.shownKey === undefined)
    throw refused('InvalidRequest', `which key ${host} shows was not told: apply again, then accept it`);
  if (open.shownKey !== fingerprint)
    throw refused('InvalidRequest', `${host} shows ${open.shownKey}, not ${fingerprint}: look at it again`);
}

/** Gives the revision that is to be gone back to. */
export function admitRollback(
  name: string,
  state: ClusterState,
  { revision }: Pick<ClusterControls['rollbackTo'], 'revision'> = {},
): Revision {
  const { rollout, revisions = [], knowledge } = state;
  if (rollout && rollout.purpose !== 'verify' && !rollout.followUp && !rollout.repair)
    throw refused('RolloutRunning', holding(name, rollout));
  const kept = revisions.filter((each) => each.kept && each.state !== undefined);
  const wanted = revision === undefined ? earlier(state)[0] : kept.find((each) => each.revision === revision);
  if (!wanted) {
    const there = kept.map((each) => each.revision).join(', ');
    const what = revision === undefined ? 'no earlier revision with another plan' : `no plan of revision ${revision}`;
    throw refused('InvalidRequest', `${name} remembers ${what}${there && `; there are plans of revision ${there}`}`);
  }
  const gone = (state.plans?.[wanted.digest]?.hosts ?? []).filter(
    (host) => state.wanted !== undefined && !state.wanted.hosts.includes(host.name),
  );
  if (gone.length > 0) {
    const left = gone.map((host) => host.name).join(', ');
    throw refused('InvalidRequest', `since revision ${wanted.revision} ${left} left: add it again first`);
  }
  const moved = state.plans?.[wanted.digest]?.hosts.filter((host) => knowledge.indexes[host.name] !== host.index) ?? [];
  if (moved.length === 0) return wanted;
  const names = moved.map((host) => host.name).join(', ');
  throw refused('InvalidRequest', `since revision ${wanted.revision} others have the place in the network of ${names}`);
}

export function admitWithdrawal(name: string, { queued }: Pick<ClusterState, 'queued'>): void {
  if (!queued) throw refused('InvalidRequest', `no apply of ${name} waits for its turn`);
}

export function refused(type: Refusal, message: string): ApplicationFailure {
  return ApplicationFailure.create({ type, message, nonRetryable: true });
}

/** Who holds the lock, since when and for what. */
export function holding(name: string, running: RunningRollout, now = new Date()): string {
  const { revision, workflowId, state, since, purpose, hosts, by } = running;
  const [is, begun] = state === 'paused' ? ['is paused', ', begun at'] : ['is under way', ' since'];
  const what = `revision ${revision} of ${name} ${is}`;
  // Begun by an older release.
  if (since === undefined || hosts === undefined || by === undefined) return `${what} (${workflowId})`;
  const [day, time] = [since.slice(0, 10), since.slice(11, 16)];
  const clock = day === now.toISOString().slice(0, 10) ? time : `${day} ${time}`;
  return `${what}${begun} ${clock} UTC: ${purpose} for ${hosts} ${hosts === 1 ? 'host' : 'hosts'} by ${by}`;
}

/** Plans depend on nothing but the key and the hosts' indexes: one that gives every known host its own would come out the same. */
function holdsStill({ knowledge: { indexes, key } }: ClusterState, wanted: ApplyRequest['knowledge']): boolean {
  return key === wanted.key && Object.entries(indexes).every(([host, index]) => wanted.indexes[host] === index);
}
