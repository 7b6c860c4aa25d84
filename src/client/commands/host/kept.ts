import type { Cluster } from '../../../spec/cluster.ts';
import { readKept } from '../../../spec/kept.ts';
import type { ClusterView } from '../../../workflows/contract.ts';
import type { At } from '../../command.ts';
import { Failure } from '../../errors.ts';

/** The cluster as it was applied last, which need not be what the file says by now. Throws where none is kept. */
export function keptCluster({ self }: Pick<At, 'self'>, name: string, { wanted }: ClusterView): Cluster {
  if (wanted) return readKept(wanted, { file: `the cluster file of ${name}` });
  throw new Failure(`No cluster file of ${name} is kept here.`, {
    hint: `Apply it once, then its hosts can change: ${self} apply`,
  });
}
