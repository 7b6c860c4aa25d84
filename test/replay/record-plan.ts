/**
 * Adds a plan to the corpus that `plans.test.ts` checks: `node test/replay/record-plan.ts RELEASE SPEC`.
 * Add, and leave the old ones: they stand for rollouts that are under way in the world while workers are upgraded.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { compilePlan } from '../../src/plan/compile.ts';
import { parseCluster } from '../../src/spec/parse.ts';

const [release = '0.1.0', spec = 'examples/nodebb.yaml'] = process.argv.slice(2);
const { cluster } = parseCluster(readFileSync(spec, 'utf8'), { file: spec });
const file = join(import.meta.dirname, 'plans', `${release}-${basename(spec, '.yaml')}.json`);
writeFileSync(file, `${JSON.stringify(compilePlan(cluster, { indexes: {} }), null, 1)}\n`);
