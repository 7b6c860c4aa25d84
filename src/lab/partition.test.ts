import { describe, expect, it } from 'vitest';
import { cutsOf } from './partition.ts';
import { grow } from './shape.ts';
import type { LabState } from './state.ts';

const lab = { block: '10.84', ...grow('10.84', { sites: [], hosts: [] }, { sites: 2, hostsPerSite: 2 }) } as LabState;
// ams: vm0 10.84.0.11, vm1 10.84.0.12; fra: vm2 10.84.1.11, vm3 10.84.1.12

describe('cuts', () => {
  it('drops traffic between two data centers at the gateway', () => {
    expect(cutsOf(lab, [['ams', 'fra']])).toEqual({ routes: [['10.84.0.0/24', '10.84.1.0/24']], neighbours: [] });
  });

  it('drops traffic between hosts of two data centers at the gateway', () => {
    expect(cutsOf(lab, [['vm0', 'vm3']]).routes).toEqual([['10.84.0.11/32', '10.84.1.12/32']]);
  });

  it('hides hosts of one data center from each other', () => {
    expect(cutsOf(lab, [['vm0', 'vm1']])).toEqual({
      routes: [],
      neighbours: [
        { host: 'vm0', address: '10.84.0.12' },
        { host: 'vm1', address: '10.84.0.11' },
      ],
    });
  });

  it('cuts a single host off from every other host, near and far', () => {
    expect(cutsOf(lab, [['vm0']])).toEqual({
      routes: [['10.84.0.11/32', '10.84.1.0/24']],
      neighbours: [
        { host: 'vm0', address: '10.84.0.12' },
        { host: 'vm1', address: '10.84.0.11' },
      ],
    });
  });

  it('leaves a data center whole when it is cut off from the others', () => {
    expect(cutsOf(lab, [['ams']])).toEqual({ routes: [['10.84.0.0/24', '10.84.1.0/24']], neighbours: [] });
  });

  it('hides the machine that controls the lab from a host', () => {
    expect(cutsOf(lab, [['controller', 'vm2']])).toEqual({
      routes: [],
      neighbours: [{ host: 'vm2', address: '10.84.1.1' }],
    });
  });

  it('names what there is when a name is unknown', () => {
    expect(() => cutsOf(lab, [['vm9']])).toThrow(
      expect.objectContaining({ hint: 'There are: ams, fra, vm0, vm1, vm2, vm3, controller' }),
    );
  });
});
