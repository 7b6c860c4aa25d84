import { setHandler } from '@temporalio/workflow';
import type { Packed } from '../plan/pack.ts';
import {
  clusterUpdate,
  type DriftReport,
  driftSignal,
  type Ground,
  groundQuery,
  type Measure,
  measureQuery,
} from './contract.ts';
import { news } from './differences.ts';
import { admitRepair, measureOf } from './measure.ts';
import type { Memory } from './memory.ts';
import { refuseMoved } from './owner.ts';
import type { Requests } from './requests.ts';

/** What a look for drift is told and tells, and what is repaired of it. While anything is rolled out there is no drift. */
export function letDrift(name: string, memory: Memory, requests: Requests, isBeginning: () => boolean): void {
  const measure = () => measureOf(name, memory.state, isBeginning());
  setHandler(measureQuery, measure, { description: 'What a look for drift is measured by.' });
  setHandler(groundQuery, (digest) => groundOf(name, memory, digest), {
    description: 'What hosts are asked by in a look for drift.',
  });
  setHandler(driftSignal, (report) => heed(memory, report, measure()), { description: 'Sent by a look for drift.' });
  setHandler(clusterUpdate('repair'), (asked) => requests.repair(asked), {
    validator: (_asked) => {
      refuseMoved(name, memory.state);
      admitRepair(name, memory.state);
    },
    description: 'Carries out the last plan once more, where drift was found. {"by": "you", "approved": true}',
  });
}

function groundOf(name: string, memory: Memory, digest: string): Packed<Ground> | null {
  const { state } = memory;
  const measure = measureOf(name, state, false);
  if ('skipped' in measure || measure.digest !== digest) return null;
  const plan = state.plans![digest]!;
  return {
    plan,
    sealed: memory.sealedFor({ plan, sealed: {} }),
    facts: state.facts,
    parked: Object.keys(measure.parked),
    ...(state.owner !== undefined && { owner: state.owner }),
  };
}

/** Remembers what a look has found, and makes an event of it only where the one before had found something else. */
function heed(memory: Memory, report: DriftReport | undefined, measure: Measure): void {
  // It might be whatever somebody has typed.
  const { drift, since, by } = report ?? ({} as Partial<DriftReport>);
  if (!drift || 'skipped' in measure || measure.since !== since || measure.revision !== drift.revision) return;
  memory.become({ ...memory.state, drift }, news(memory.state.drift, drift), by ?? 'somebody');
}
