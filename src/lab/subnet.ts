/** First and last of the /16 blocks 10.N.0.0 that labs take: away from Docker's, Weave's and most offices' own. */
const FIRST = 80;
const LAST = 127;

/**
 * Chooses the block of a lab, as its first two numbers ("10.84"): a data center's subnet is the third number.
 * `taken` are the subnets (CIDR) in use on this machine; `seed` spreads labs, so that two of them seldom race for one.
 * Undefined when all are taken.
 */
export function chooseBlock(taken: readonly string[], seed: string): string | undefined {
  const count = LAST - FIRST + 1;
  const start = Buffer.from(seed).reduce((sum, byte) => (sum * 31 + byte) % count, 0);
  for (let i = 0; i < count; i++) {
    const block = `10.${FIRST + ((start + i) % count)}`;
    if (!taken.some((subnet) => overlaps(subnet, `${block}.0.0/16`))) return block;
  }
  return undefined;
}

export function siteSubnet(block: string, siteIndex: number): string {
  return `${block}.${siteIndex}.0/24`;
}

/** The lab's gateway in a data center. */
export function gatewayAddress(block: string, siteIndex: number): string {
  return `${block}.${siteIndex}.2`;
}

/** The machine that the containers run on, as seen from a data center. */
export function controllerAddress(block: string, siteIndex: number): string {
  return `${block}.${siteIndex}.1`;
}

/** The address of the nth host (from 0) of a data center. */
export function hostAddress(block: string, siteIndex: number, n: number): string {
  return `${block}.${siteIndex}.${11 + n}`;
}

export function overlaps(a: string, b: string): boolean {
  const [first, second] = [range(a), range(b)];
  return first.from <= second.to && second.from <= first.to;
}

function range(cidr: string): { from: number; to: number } {
  const [address = '', length = '32'] = cidr.split('/');
  const number = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - Number(length));
  const from = Math.floor(number / size) * size;
  return { from, to: from + size - 1 };
}
