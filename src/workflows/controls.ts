import { defineSignal, defineUpdate } from '@temporalio/workflow';
import type { Note } from './records.ts';

/**
 * What people may ask of a rollout. Each stands as an update, which is checked before it enters history and answers what
 * it did, and as a signal of the same name, for the Web UI's buttons: there a refusal is an event that one can see.
 */
export interface Controls {
  /** Holds back new steps; what runs finishes. */
  pause: Note;
  /** Goes on. After a failure: tries again everything that failed. */
  resume: Note;
  /** Lets a rollout go on that waits for an approval. */
  approve: Note;
  /** Tries again what failed on a host, or one step of it. Also takes a parked or skipped host along again. */
  retry: Note & { readonly host: string; readonly step?: string };
  /** Leaves a host out; the others go on. What runs on it finishes. */
  skip: Note & { readonly host: string };
  /** How many hosts of a site go at a time, from the next wave on: at least 1. */
  batch: Note & { readonly size: number };
  /** Ends the remote processes and the rollout; `undo`: takes back what it changed. */
  cancel: Note & { readonly undo?: boolean };
  /** What runs finishes; then what the rollout changed is taken back: on all hosts, on some (which are left out from then on), or on those of the wave that is under way. */
  rollback: Note & { readonly hosts?: readonly string[]; readonly wave?: boolean };
}

export type Control = keyof Controls;

/** What was done, as a sentence: `vm1 is left out; 2 hosts go on`. */
export interface ControlReply {
  readonly said: string;
}

/** Type of the failure of an update that makes no sense now. Its message says why. */
export const REFUSED = 'Refused';

export const pauseSignal = defineSignal<[Controls['pause']?]>('pause');
export const resumeSignal = defineSignal<[Controls['resume']?]>('resume');
export const skipSignal = defineSignal<[Controls['skip']]>('skip');
export const rollbackSignal = defineSignal<[Controls['rollback']?]>('rollback');

/** The update of a control. */
export const controlUpdate = <Name extends Control>(name: Name) =>
  defineUpdate<ControlReply, [Controls[Name]?], Name>(name);
