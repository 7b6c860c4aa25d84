// Rolls a cluster out from a program of your own, and says what becomes of each step:
//
//   export FARWEAVE_PASSWORD=vagrant NODEBB_ADMIN_PASSWORD=password
//   node examples/rollout.ts examples/nodebb.yaml
//
// Temporal is found as the command line finds it: TEMPORAL_ADDRESS or a profile, else an embedded server is started.
// (As the package: import … from 'farweave'.)
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  apply,
  Changes,
  changeLine,
  connect,
  draft,
  parseCluster,
  resolveSecrets,
  SecretsError,
  status,
  watch,
} from '../src/client/index.ts';

const [file = 'cluster.yaml'] = process.argv.slice(2);
const { cluster } = parseCluster(await readFile(file, 'utf8'), { file });
const secrets = Object.fromEntries(
  await resolveSecrets(cluster.secrets, process.env, { directory: dirname(file) }).catch((error: unknown) => {
    if (!(error instanceof SecretsError)) throw error;
    for (const { name, message } of error.missing) console.error(`${name}: ${message}`);
    process.exit(2);
  }),
);

const farweave = await connect({ progress: console.error });
try {
  const plan = draft(cluster, await status(farweave, cluster.name));
  // Their values are sealed for the workers before they leave this process.
  const { revision } = await apply(farweave, plan, secrets);

  const changes = new Changes(plan.plan);
  for await (const view of watch(farweave, cluster.name, { revision })) {
    for (const change of changes.next(view)) console.log(`Step ${changeLine(change)}`);
    if (view.outcome) {
      console.log(`${view.outcome.state}: ${view.outcome.changed} changed`);
      process.exitCode = view.outcome.state === 'done' ? 0 : 1;
    }
    if (view.progress.stuck) throw new Error(view.progress.problems.map(({ message }) => message).join('\n'));
  }
} finally {
  await farweave.close();
}
