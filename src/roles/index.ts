import type { Role } from './role.ts';

/** In the order in which they are rolled out. A new role is a new folder and a line here. */
export const roles: readonly Role[] = [];
