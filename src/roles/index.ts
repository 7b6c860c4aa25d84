import { container } from './container/index.ts';
import { dns } from './dns/index.ts';
import { docker } from './docker/index.ts';
import { mongodb } from './mongodb/index.ts';
import { nodebb } from './nodebb/index.ts';
import type { Role } from './role.ts';
import { script } from './script/index.ts';
import { system } from './system/index.ts';
import { wireguard } from './wireguard/index.ts';

/** In the order in which they are rolled out. A new role is a new folder and a line here. */
export const roles: readonly Role[] = [system, docker, wireguard, dns, mongodb, nodebb, script, container];
