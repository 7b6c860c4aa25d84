import { defineSignal } from '@temporalio/workflow';
import type { Outcome, RolloutState } from './contract.ts';

// ---- cluster:<name>, as its rollouts tell it of themselves ----

/** From a rollout: what somebody did to it. */
export const noteSignal =
  defineSignal<[{ readonly revision: number; readonly at: string; readonly by?: string; readonly what: string }]>(
    'note',
  );
/** From a rollout that has come to another state. */
export const rolloutChangedSignal =
  defineSignal<[{ readonly revision: number; readonly state: RolloutState; readonly stuck: boolean }]>(
    'rolloutChanged',
  );
export const rolloutEndedSignal =
  defineSignal<[{ readonly revision: number; readonly outcome: Outcome }]>('rolloutEnded');
