import type { Wanted } from '../roles/backup.ts';
import type { Context, Role } from '../roles/role.ts';
import type { Plan, Stage } from './plan.ts';

/** What has to do with backups. `backups` asks hosts which they have: a plan to look by, not to roll out. */
export type Safekeeping = 'backups' | { readonly backup: string } | { readonly restore: Wanted };

export const isSafekeeping = <Other extends string>(aim: Other | Safekeeping): aim is Safekeeping =>
  aim === 'backups' || typeof aim === 'object';

export function purposeOf(aim: Safekeeping): Plan['purpose'] {
  if (aim === 'backups') return 'verify';
  return 'backup' in aim ? 'backup' : 'restore';
}

/**
 * Where it is not for the spec to say what follows a failure: a copy that is no backup is worth nothing, and half a restore is
 * somebody's to decide.
 */
export const ON_FAILURE: Partial<Record<Plan['purpose'], Plan['onFailure']>> = {
  destroy: 'continue',
  backup: 'rollback',
  restore: 'pause',
};

/** Its stages. A restore proves first, then halts what serves, from the last role on, and lets it rise again in order. */
export function safekeeping(
  aim: Safekeeping,
  roles: readonly Role[],
  of: (role: Role) => readonly [config: unknown, context: Context],
): readonly Stage[] {
  if (aim === 'backups') return roles.flatMap((role) => role.backup?.list?.(...of(role)) ?? []);
  if ('backup' in aim) return roles.flatMap((role) => role.backup?.take?.(...of(role), aim.backup) ?? []);
  const parts = roles.flatMap((role) => role.backup?.restore(...of(role), aim.restore) ?? []);
  return [
    ...parts.flatMap(({ prove }) => prove),
    ...parts.toReversed().flatMap(({ halt }) => halt),
    ...parts.flatMap(({ rise }) => rise.map(unspared)),
    ...parts.flatMap(({ settle }) => settle),
  ];
}

/**
 * All has been stopped on purpose: there is nobody who would have to be spared, and what starts waits for no other that does.
 * What could not be taken back otherwise goes with the data that it was done to.
 */
function unspared({ guard: _guard, spare: _spare, irreversible: _irreversible, ...stage }: Stage): Stage {
  return stage.scope !== 'host' && stage.gate ? { ...stage, order: 'all' } : stage;
}
