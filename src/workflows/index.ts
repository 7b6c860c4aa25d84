export { cluster } from './cluster.ts';
export { drift, driftPart } from './drift.ts';
export { look } from './look.ts';
export { recall } from './recall.ts';
export { rollout } from './rollout.ts';
export { parting, site, survey, undoing } from './site.ts';
