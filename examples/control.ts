// Holds the rollout of a cluster, looks at it, and lets it go on:
//
//   node examples/control.ts forum
//
// Who asks and why stands in the cluster's events. What makes no sense now is refused, with the reason.
// (As the package: import … from 'farweave'.)
import { connect, control, Failure, watch } from '../src/client/index.ts';

const [cluster = 'forum'] = process.argv.slice(2);
const farweave = await connect({ progress: console.error });
try {
  const { revision, said } = await control(farweave, cluster, 'pause', { reason: 'a look at it' });
  console.log(`Revision ${revision} of ${cluster}: ${said}`);

  for await (const { progress, outcome } of watch(farweave, cluster, { revision })) {
    const states = Object.values(progress.steps).flatMap((hosts) => Object.values(hosts));
    const running = states.filter((state) => state === 'provisioning').length;
    // What ran when it was asked to pause is brought to its end.
    if (running > 0 && !outcome) continue;
    console.log(`${progress.state}: ${progress.changed} changed, ${progress.problems.length} failed`);
    break;
  }

  console.log((await control(farweave, cluster, 'resume', {})).said);
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  console.error(error.message);
  process.exitCode = error.exitCode;
} finally {
  await farweave.close();
}
