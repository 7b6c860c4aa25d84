import type { ClusterState } from './contract.ts';
import { marked } from './revisions.ts';

/** The server warns of more than 256 KiB. In characters of JSON, which travels gzipped: what is random in it in about three quarters. */
const LIMIT = 800_000;
const EVENTS = 50;

/** What is known of a cluster that nothing was rolled out onto. */
export const FRESH: ClusterState = {
  version: 0,
  revision: 0,
  knowledge: { indexes: {} },
  facts: {},
  sealed: {},
  events: [],
};

/** What a cluster remembers, for its next run. Where that is too much, what is missed least goes first. */
export function carried(state: ClusterState): ClusterState {
  const smaller = [withoutLogs, withFewEvents, withOnePlan];
  return smaller.reduce((now, shrink) => (JSON.stringify(now).length > LIMIT ? shrink(now) : now), state);
}

function withoutLogs(state: ClusterState): ClusterState {
  if (!state.last) return state;
  const problems = state.last.problems.map((problem) => {
    const { log: _, ...rest } = problem;
    return rest;
  });
  return { ...state, last: { ...state.last, problems } };
}

function withFewEvents(state: ClusterState): ClusterState {
  return { ...state, events: state.events.slice(-EVENTS) };
}

function withOnePlan(state: ClusterState): ClusterState {
  const digest = state.revisions?.at(-1)?.digest;
  const plan = digest === undefined ? undefined : state.plans?.[digest];
  if (digest === undefined || plan === undefined) return state;
  const revisions = state.revisions?.map((each) => marked(each, each.digest === digest));
  return { ...state, plans: { [digest]: plan }, ...(revisions && { revisions }) };
}
