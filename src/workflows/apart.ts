import { executeChild, rootCause } from '@temporalio/workflow';
import type { HostSpec } from '../plan/plan.ts';
import { clipped, type Parting } from './activity.ts';
import { type PlacedStage, type SiteInput, siteId, type Undone } from './contract.ts';
import { attributes } from './report.ts';
import type { parting, undoing } from './site.ts';
import type { Sites } from './sites.ts';

/** From so many hosts on, what they do at the same time is done in a workflow a site: a history has room for some thousand events. */
export const MANY = 100;

/** Takes a stage back on hosts. Of a site that is ended from outside nobody knows what it has taken back. */
export function takeBackApart(
  sites: Sites,
  stage: PlacedStage,
  hosts: readonly HostSpec[],
  gone: ReadonlySet<string>,
): Promise<readonly Undone[]> {
  const undone = async (input: SiteInput): Promise<Undone> => {
    const own = { ...input, gone: names(input.hosts).filter((host) => gone.has(host)) };
    try {
      return await executeChild<typeof undoing>('undoing', {
        args: [own],
        ...named(input, `undo-${stage.place}`, `undo: ${stage.title}`),
      });
    } catch (error) {
      const why = `undo of ${stage.operation} at ${input.site}: ${rootCause(error) ?? String(error)}`;
      return { steps: {}, generations: {}, left: [why], gone: [] };
    }
  };
  return Promise.all(sites.inputs([stage], names(hosts)).map(undone));
}

/** Lets go of hosts. A site that cannot is no reason to fail: what is left on its hosts does no harm. */
export async function letGoApart(sites: Sites, hosts: readonly HostSpec[], how: Parting): Promise<void> {
  const inputs = sites.inputs([], names(hosts));
  await Promise.all(
    inputs.map((input) =>
      executeChild<typeof parting>('parting', {
        args: [{ ...input, parting: how }],
        ...named(input, 'settle', 'forget the receipts'),
      }).catch(() => {}),
    ),
  );
}

function named({ cluster, revision, site, hosts }: SiteInput, segment: string, does: string) {
  return {
    workflowId: siteId(cluster, revision, segment, site),
    staticSummary: clipped(`${site}: ${hosts.length} host${hosts.length === 1 ? '' : 's'}, ${does}`, 80),
    typedSearchAttributes: attributes({ cluster, revision, site }),
  };
}

const names = (hosts: readonly HostSpec[]) => hosts.map(({ name }) => name);
