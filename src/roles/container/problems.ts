import type { HostSpec } from '../../plan/plan.ts';
import { withoutDocker } from '../docker/index.ts';
import type { Network } from '../network.ts';
import { placed, placementProblems } from '../placement.ts';
import type { Context, Problem } from '../role.ts';
import type { Config, Service } from './config.ts';
import { published } from './ports.ts';
import { placeOf, slots } from './service.ts';

/** A service with the hosts that it is for. */
interface Placed {
  readonly name: string;
  readonly wanted: Service;
  readonly on: readonly HostSpec[];
}

/** What no schema can say of services: where they are to be, and what they would take from each other. */
export function problems(config: Config, context: Context): readonly Problem[] {
  const services = Object.entries(config).map(([name, wanted]) => ({
    name,
    wanted,
    on: placed(wanted, context.hosts),
  }));
  return [
    ...services.flatMap((service) => [
      ...placementProblems(service.wanted, context, [service.name]),
      ...withoutDocker({ ...context, on: service.on }).map((problem) => ({
        ...problem,
        path: [service.name],
      })),
      ...nameProblems(service, context),
    ]),
    ...slotProblems(services, context.network),
    ...portProblems(services),
  ];
}

function nameProblems({ name, on }: Placed, { records }: Pick<Context, 'records'>): readonly Problem[] {
  const taken = records.filter((record) => record.name === name).length > on.length;
  return taken ? [error([name], 'is the name of a container of another role')] : [];
}

/** Two services may come to one place by their names; where each of them is now does not matter, since that may change. */
function slotProblems(services: readonly Placed[], network: Network): readonly Problem[] {
  const { first, last } = slots(network);
  const places = services.map(({ name, wanted }) => ({ name, wanted, place: placeOf(name, wanted, network) }));
  const taken = new Set(places.map(({ place }) => place));
  const free = Array.from({ length: last - first + 1 }, (_, n) => first + n).find((place) => !taken.has(place));
  return places.flatMap(({ name, wanted, place }, n) => {
    if (place < first || place > last) return [error([name, 'slot'], `wants a place from ${first} to ${last}`)];
    const other = places.slice(0, n).find((earlier) => earlier.place === place);
    if (other === undefined) return [];
    const way = free === undefined ? 'the subnets are full: choose a smaller network.prefix' : `say slot: ${free} here`;
    const path = wanted.slot === undefined ? [name] : [name, 'slot'];
    return [error(path, `has the same place in each host's subnet as ${other.name} (${place}): ${way}`)];
  });
}

function portProblems(services: readonly Placed[]): readonly Problem[] {
  const all = services.flatMap(({ name, wanted, on }) =>
    wanted.ports.map((text, n) => ({ name, on, text, path: [name, 'ports', n], ...published(text) })),
  );
  return all.flatMap(({ name, on, path, ip, port, inside, protocol }, n) => {
    if ([port, inside].some((one) => one < 1 || one > 65_535)) return [error(path, 'wants ports from 1 to 65535')];
    const other = all
      .slice(0, n)
      .find(
        (one) =>
          one.port === port &&
          one.protocol === protocol &&
          (one.ip === undefined || ip === undefined || one.ip === ip) &&
          (one.name === name || one.on.some((host) => on.includes(host))),
      );
    const where =
      other &&
      (other.name === name ? 'here' : `by ${other.name} on ${other.on.find((host) => on.includes(host))?.name}`);
    return other ? [error(path, `port ${port} is published already, ${where}`)] : [];
  });
}

const error = (path: Problem['path'], message: string): Problem => ({ severity: 'error', path, message });
