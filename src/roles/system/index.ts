import * as z from 'zod';
import type { Role } from '../role.ts';
import { hostKey, nextHostKey, shownHostKey } from './host-key.ts';
import { formerKeys, key, keyStages, login } from './key.ts';
import * as operations from './operations.ts';
import * as preflights from './preflights.ts';

const { quiet, index, upgrade, prerequisites, unattended, reboot } = operations;
const { supported, space } = preflights;

const PREREQUISITES = ['ca-certificates', 'curl', 'iproute2', 'iptables', 'iputils-ping', 'kmod', 'procps'];

const System = z
  .strictObject({
    upgrade: z
      .boolean()
      .default(true)
      .describe('Whether a rollout installs all waiting upgrades. Container engines are left alone.'),
    unattended: z
      .boolean()
      .default(true)
      .describe('Whether hosts install security upgrades by themselves, once a day, hours apart, never Docker.'),
    indexHours: z.int().min(1).max(720).default(24).describe('How old the package index may be, in hours.'),
    freeSpace: z
      .int()
      .min(0)
      .default(2048)
      .describe('MiB that must be free on / and /var of a host that is rolled out to for the first time.'),
    packages: z
      .array(z.string().regex(/^(?=..)[a-z0-9](?:[a-z0-9+.-]*[a-z0-9.])?\+*$/, 'wants the name of a package'))
      .default([])
      .describe('More packages to install on every host.'),
  })
  .describe('The machine itself: known, quiet, up to date, and kept so.');

/** A machine that can be built on: known, quiet, up to date, and kept so. */
export const system: Role<z.infer<typeof System>> = {
  name: 'system',
  config: System,
  always: true,
  operations: [
    supported,
    space,
    quiet,
    key,
    login,
    formerKeys,
    nextHostKey,
    hostKey,
    shownHostKey,
    index,
    upgrade,
    prerequisites,
    unattended,
    reboot,
  ],
  stages: (config, { cluster, on }) => [
    supported.over(on, 'check the distribution', {}),
    space.over(on, 'check the disk space', { mebibytes: config.freeSpace }),
    quiet.over(on, 'wait for other package work', {}),
    ...keyStages(cluster, on),
    index.over(on, 'refresh the package index', { hours: config.indexHours }),
    ...(config.upgrade ? [upgrade.over(on, 'upgrade packages', {})] : []),
    prerequisites.over(on, 'install prerequisites', {
      packages: [...PREREQUISITES, ...(config.unattended ? ['unattended-upgrades'] : []), ...config.packages],
    }),
    ...(config.unattended ? [unattended.over(on, 'stagger unattended upgrades', {})] : []),
    reboot.over(on, 'note whether a reboot is due', {}),
  ],
};
