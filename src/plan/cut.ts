import type { Operation } from '../roles/operation.ts';
import { type Plan, roleOf, type Segment, type Stage } from './plan.ts';

/**
 * Cuts stages into segments and lanes. Done here and kept in the plan, because a workflow that cut by itself
 * could not be replayed once the cutting changed.
 */
export function cut(
  stages: readonly Stage[],
  operations: ReadonlyMap<string, Operation>,
): Pick<Plan, 'stages' | 'segments'> {
  const segments: { scope: Segment['scope']; stages: Stage[] }[] = [];
  for (const stage of stages) {
    if (stage.kind === 'preflight') continue;
    const scope = stage.scope === 'cluster' ? 'cluster' : 'site';
    const last = segments.at(-1);
    const together = last?.scope === 'site' && scope === 'site' && !waitsFor(stage, last.stages, operations);
    if (together) last.stages.push(stage);
    else segments.push({ scope, stages: [stage] });
  }
  return {
    stages: withLanes(
      stages,
      segments.map((segment) => segment.stages),
    ),
    segments: segments.map((segment) => ({ scope: segment.scope, stages: segment.stages.map(({ id }) => id) })),
  };
}

/** Whether a stage takes facts of other hosts that one of the stages before it brings. */
function waitsFor(stage: Stage, before: readonly Stage[], operations: ReadonlyMap<string, Operation>): boolean {
  const facts = [...stage.needs, ...orderedBy(stage)];
  return facts.some((fact) => before.some((earlier) => brings(earlier, fact, operations)));
}

/** The fact that says which hosts go first. */
function orderedBy(stage: Stage): readonly string[] {
  return stage.scope !== 'host' && typeof stage.order === 'object' && 'by' in stage.order ? [stage.order.by] : [];
}

/** Unless an operation says what it publishes, it may be anything that is named after its role. */
function brings(stage: Stage, fact: string, operations: ReadonlyMap<string, Operation>): boolean {
  const declared = operations.get(stage.operation)?.publishes;
  if (declared) return declared.includes(fact);
  return roleOf(stage.operation) === roleOf(fact) && !stage.needs.includes(fact);
}

/** Neighbours in a segment share a lane where both are brief, go over the same hosts, and are let go in the same numbers. */
function withLanes(stages: readonly Stage[], segments: readonly (readonly Stage[])[]): readonly Stage[] {
  const before = new Map(segments.flatMap((segment) => segment.map(({ id }, n) => [id, segment[n - 1]])));
  const lanes = new Map<string, number>();
  let next = 0;
  return stages.map((stage) => {
    const neighbour = before.get(stage.id);
    const shared = neighbour && mayShare(neighbour, stage) ? lanes.get(neighbour.id) : undefined;
    const lane = shared ?? next++;
    lanes.set(stage.id, lane);
    return { ...stage, lane };
  });
}

function mayShare(one: Stage, other: Stage): boolean {
  const light = ({ scope, kind, brief, afterChange }: Stage) =>
    scope === 'host' && kind === 'change' && brief && !afterChange;
  return light(one) && light(other) && one.disrupts === other.disrupts && one.hosts.join() === other.hosts.join();
}
