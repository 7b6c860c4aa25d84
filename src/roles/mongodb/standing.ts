import * as z from 'zod';
import type { Facts, HostSpec } from '../../plan/plan.ts';
import { sh } from '../../ssh/command.ts';
import { named } from '../container.ts';
import { operation, yes } from '../operation.ts';
import { Port } from './health.ts';
import { shellOf } from './member.ts';
import { javascript, MARK } from './shell.ts';

/** The fact that says how a member stands: its state, the seconds that it is behind, and how many vote: `SECONDARY 0 3`. */
export const LAG = 'mongodb.lag';

/** What a member that does not say anything is. */
const AWAY = 'away 0 0';

/** Seconds. A member that is no further behind than that is as good as any other. */
const NEAR = 10;

const STANDING = `
const status = local !== null && login(local) ? ask(local, { replSetGetStatus: 1 }) : {};
const all = status.members || [];
const own = all.filter((member) => member.self)[0];
const first = all.filter((member) => Number(member.state) === 1)[0];
if (own) {
  const lag = first ? Math.max(0, Math.round((first.optimeDate - own.optimeDate) / 1000)) : 0;
  const voters = must(local, { replSetGetConfig: 1 }).config.members.filter((member) => member.votes);
  say({ standing: own.stateStr + ' ' + lag + ' ' + voters.length });
}
`;

const Standing = z.object({ standing: z.string() });

/** Asks every member how it stands. One that is away says so, which is an answer: another may do. */
export const standing = operation('mongodb.standing', Port, {
  kind: 'check',
  publishes: [LAG],
  probe: (host, set) => {
    const shell = shellOf(host, set);
    return sh`if command -v docker > /dev/null && [ -n "$(docker ps --quiet --filter ${named(shell.name)})" ]; then
${javascript(shell, STANDING, { wait: 5, all: 45 })} || :
fi`;
  },
  judge: ({ stdout }) => {
    const line = stdout.split('\n').find((text) => text.startsWith(MARK));
    return yes({ [LAG]: line === undefined ? AWAY : Standing.parse(JSON.parse(line.slice(MARK.length))).standing });
  },
});

/**
 * The members that a backup is taken of: secondaries that are least behind, of different sites as far as there are such.
 * The primary only where it is alone. None: nobody can be spared.
 */
export function sources(
  lags: Facts[string] = {},
  hosts: readonly Pick<HostSpec, 'name' | 'site'>[],
  copies: number,
): readonly string[] {
  const found = hosts.map(({ name, site }) => {
    const [state = '', lag = '0', voters = '0'] = (lags[name] || AWAY).split(' ');
    return { name, site, state, lag: Number(lag), isAlone: voters === '1' };
  });
  const able = found
    .filter(({ state, isAlone }) => state === 'SECONDARY' || (state === 'PRIMARY' && isAlone))
    .map((member) => ({ ...member, lag: member.lag <= NEAR ? 0 : member.lag }))
    .toSorted((a, b) => a.lag - b.lag);
  const [first] = able;
  const elsewhere = able.filter(({ site }) => site !== first?.site);
  return [...new Set([...able.slice(0, 1), ...elsewhere, ...able].map(({ name }) => name))].slice(0, copies);
}
