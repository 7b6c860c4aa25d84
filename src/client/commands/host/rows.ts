import { type ClusterView, isOver, told } from '../../../workflows/contract.ts';
import { printable } from '../../format.ts';

/** Changes of hosts that wait or run. */
export function requestRows({ requests = [] }: ClusterView, self: string): string[][] {
  return requests
    .filter((request) => !isOver(request))
    .map(({ id, change, by, state, shownKey }, n) => [
      n === 0 ? 'Hosts' : '',
      `${id}: ${told(change)}, by ${printable(by)}, ${
        shownKey === undefined ? state : `shows ${shownKey}: ${self} host approve ${id}`
      }`,
    ]);
}
