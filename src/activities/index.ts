import { Context } from '@temporalio/activity';
import { OTHERS, RELEASED, withdrawalOf } from '../plan/plan.ts';
import type { Operation } from '../roles/operation.ts';
import type { Role } from '../roles/role.ts';
import type { Connect } from '../ssh/host.ts';
import { askWorkflow } from './ask-workflow.ts';
import { createAwait } from './await-hosts.ts';
import { createBorrow } from './borrow.ts';
import type {
  Activity,
  AskWindows,
  AskWorkflow,
  AwaitHosts,
  CheckChange,
  GenerateSecrets,
  Greet,
  PlanChange,
  Present,
  Recall,
  Reseal,
  Settle,
  SettleTogether,
  Survey,
  SurveyTogether,
} from './contract.ts';
import { failure } from './failures.ts';
import { createGreet } from './greet.ts';
import { Heard } from './heard.ts';
import { createPerformer } from './performer.ts';
import { createPlanChange } from './plan-change.ts';
import { createRecall } from './recall.ts';
import { createGenerate, createReseal } from './sealing.ts';
import { createSecrets } from './secrets.ts';
import { together } from './together.ts';
import type { Vault } from './vault.ts';
import { askWindows } from './windows.ts';

export interface Dependencies {
  readonly connect: Connect;
  readonly roles: readonly Role[];
  readonly vault: Vault;
  /** The worker's own allowlist of secrets. */
  readonly entries?: Readonly<Record<string, string>>;
}

type HostActivity = Activity | Survey | SurveyTogether | Settle | SettleTogether | Recall | AwaitHosts | Greet;
type ClusterActivity = GenerateSecrets | Reseal | AskWindows | AskWorkflow | PlanChange | CheckChange | Present;

const present: Present = () => Promise.resolve();

/** Every operation is an activity type of its own, so that the Web UI and a search of the code speak of the same thing. */
export function createActivities({
  connect,
  roles,
  vault,
  entries = {},
}: Dependencies): Record<string, HostActivity | ClusterActivity> {
  const operations = new Map<string, Operation>(
    roles.flatMap((role) => role.operations).map((operation) => [operation.name, operation]),
  );
  const tools = { connect, open: createSecrets(vault, entries), heard: new Heard() };
  const perform = createPerformer(tools, operations);
  const borrowing = createBorrow();
  const several = together(perform);
  const [converge, undo] = [borrowing(perform.converge), borrowing(perform.undo)];
  const changes = createPlanChange(roles);
  const own = [...operations.keys()].flatMap((name) => [
    [name, converge],
    [`${name}.undo`, undo],
    [withdrawalOf(name), converge],
  ]);
  return {
    ...Object.fromEntries(own),
    [OTHERS]: converge,
    [RELEASED]: converge,
    'host.survey': borrowing(perform.survey),
    'host.converge': converge,
    'host.gate': borrowing(perform.gate),
    'host.settle': perform.settle,
    'hosts.survey': borrowing(several.survey),
    'hosts.settle': several.settle,
    'host.recall': createRecall(tools),
    'hosts.await': createAwait(tools),
    'hosts.greet': createGreet(tools),
    'cluster.plan': changes.plan,
    'cluster.check': changes.check,
    'secrets.generate': createGenerate(vault),
    'secrets.reseal': createReseal(vault),
    'site.windows': askWindows,
    'workflow.ask': askWorkflow,
    'worker.present': present,
    // Without it the SDK retries for ever, in the hope that another worker knows the type.
    default: () => {
      const message = `no worker here knows ${Context.current().info.activityType}`;
      return Promise.reject(failure('UnknownOperation', message));
    },
  };
}
