import type { Context, Role } from '../roles/role.ts';
import { hostKeyStages } from '../roles/system/host-key.ts';
import type { HostSpec, Plan, Stage } from './plan.ts';
import { isSafekeeping, purposeOf, type Safekeeping, safekeeping } from './safekeeping.ts';

/** Another key to be known by, for some hosts. `mark` tells this rotation from every other. */
interface Rekeying {
  readonly hostKeys: readonly string[];
  readonly mark: string;
}

/**
 * What a plan is to be for. A rotation is an apply of no more than the key that hosts let Farweave in by, or of the keys that
 * they are known by.
 */
export type Aim = Exclude<Plan['purpose'], 'backup' | 'restore'> | 'rotate' | Rekeying | Safekeeping;

const isRekeying = (aim: Aim): aim is Rekeying => typeof aim === 'object' && 'hostKeys' in aim;

export const isKeeping = (aim: Aim): aim is Safekeeping => !isRekeying(aim) && isSafekeeping(aim);

export function purposeFor(aim: Aim): Plan['purpose'] {
  if (isRekeying(aim) || aim === 'rotate') return 'apply';
  return isSafekeeping(aim) ? purposeOf(aim) : aim;
}

/** What is to be done on hosts that stay. */
export function stagesFor(
  aim: Aim,
  hosts: readonly HostSpec[],
  roles: readonly Role[],
  of: (role: Role) => readonly [config: unknown, context: Context],
): readonly Stage[] {
  if (isRekeying(aim)) {
    const named = hosts.filter(({ name }) => aim.hostKeys.includes(name));
    return hostKeyStages(named, aim.mark);
  }
  return isSafekeeping(aim) ? safekeeping(aim, roles, of) : roles.flatMap((role) => role.stages(...of(role)));
}
