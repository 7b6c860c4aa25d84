import { describe, expect, it } from 'vitest';
import { chooseBlock, controllerAddress, gatewayAddress, hostAddress, overlaps, siteSubnet } from './subnet.ts';

describe('the block of a lab', () => {
  it('is the same for the same lab while nothing is in the way', () => {
    expect(chooseBlock([], 'fw12ab34')).toBe(chooseBlock([], 'fw12ab34'));
  });

  it('avoids every subnet that is in use, also larger and smaller ones', () => {
    const first = chooseBlock([], 'a') ?? '';
    const second = chooseBlock([`${first}.7.0/24`], 'a') ?? '';
    expect(second).not.toBe(first);
    const third = chooseBlock([`${first}.0.1/32`, `${second}.0.0/15`], 'a');
    expect([first, second]).not.toContain(third);
  });

  it('is undefined when all are taken', () => {
    expect(chooseBlock(['10.0.0.0/8'], 'a')).toBeUndefined();
  });

  it('gives every data center a subnet with the machine, the gateway and the hosts in it', () => {
    expect(siteSubnet('10.84', 2)).toBe('10.84.2.0/24');
    expect(controllerAddress('10.84', 2)).toBe('10.84.2.1');
    expect(gatewayAddress('10.84', 2)).toBe('10.84.2.2');
    expect(hostAddress('10.84', 2, 0)).toBe('10.84.2.11');
  });
});

describe('overlaps', () => {
  it.each([
    ['10.0.0.0/8', '10.84.0.0/16', true],
    ['10.84.3.0/24', '10.84.0.0/16', true],
    ['10.83.255.255/32', '10.84.0.0/16', false],
    ['0.0.0.0/0', '10.84.0.0/16', true],
    ['172.17.0.1/16', '10.84.0.0/16', false],
  ])('%s and %s: %s', (a, b, expected) => {
    expect(overlaps(a, b)).toBe(expected);
    expect(overlaps(b, a)).toBe(expected);
  });
});
