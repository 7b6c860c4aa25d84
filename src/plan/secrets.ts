import { ACCESS_KEY } from '../roles/access-key.ts';
import type { Cluster } from '../spec/cluster.ts';
import { isAccessKey } from './access-key.ts';
import type { Bastions, Gate, Plan, SecretSource, Stage } from './plan.ts';
import { accessTo } from './way.ts';

/** Only what the plan uses: nobody is asked for a password that nothing needs. */
export function secretsOf(
  clusters: readonly Cluster[],
  { hosts, bastions, stages }: Pick<Plan, 'hosts' | 'stages'> & { readonly bastions: Bastions | undefined },
): Readonly<Record<string, SecretSource>> {
  const names = [
    ...accessTo(hosts, bastions),
    ...stages.flatMap((stage) => [...stage.secrets, ...gatesOf(stage).flatMap((gate) => gate.secrets)]),
  ];
  return Object.fromEntries([...new Set(names)].toSorted().map((name) => [name, sourceOf(clusters, name)]));
}

function sourceOf(clusters: readonly Cluster[], name: string): SecretSource {
  const given = isAccessKey(name) ? ACCESS_KEY : name;
  const origin = clusters.find(({ secrets }) => Object.hasOwn(secrets, given))?.secrets[given];
  if (!origin) throw new Error(`${name} is used by a stage, and no role's secrets() says where it comes from`);
  if ('generate' in origin) return { from: 'generated', ...origin.generate };
  return 'worker' in origin ? { from: 'worker', entry: origin.worker } : { from: 'spec' };
}

/** What a stage has hosts asked besides its own operation. */
export function gatesOf(stage: Stage): readonly Gate[] {
  return [stage.scope === 'host' ? undefined : stage.gate, stage.guard].filter((gate) => gate !== undefined);
}
