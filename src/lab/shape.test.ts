import { describe, expect, it } from 'vitest';
import { grow, nextHost } from './shape.ts';

const nothing = { sites: [], hosts: [] };

describe('the shape of a lab', () => {
  it('is three data centers of one host by default, with both Debian releases', () => {
    const { sites, hosts } = grow('10.84', nothing, {});
    expect(sites).toEqual(['ams', 'fra', 'nyc']);
    expect(hosts.map(({ name, site, address, release }) => [name, site, address, release])).toEqual([
      ['vm0', 'ams', '10.84.0.11', 'trixie'],
      ['vm1', 'fra', '10.84.1.11', 'bookworm'],
      ['vm2', 'nyc', '10.84.2.11', 'trixie'],
    ]);
  });

  it('stays as it is when nothing is asked for', () => {
    const lab = grow('10.84', nothing, { sites: 2, hostsPerSite: 2 });
    expect(grow('10.84', lab, {})).toEqual(lab);
  });

  it('grows and keeps what is there', () => {
    const lab = grow('10.84', nothing, {});
    const grown = grow('10.84', lab, { sites: ['ams', 'lon'], hostsPerSite: 2, release: 'trixie' });
    expect(grown.hosts.slice(0, 3)).toEqual(lab.hosts);
    expect(grown.sites).toEqual(['ams', 'fra', 'nyc', 'lon']);
    expect(grown.hosts.map((host) => `${host.name} ${host.site}`).slice(3)).toEqual(['vm3 ams', 'vm4 lon', 'vm5 lon']);
    expect(grown.hosts.slice(3).every((host) => host.release === 'trixie')).toBe(true);
  });

  it('gives a new host the lowest free name and address', () => {
    const { sites, hosts } = grow('10.84', nothing, { sites: 1, hostsPerSite: 3 });
    const left = hosts.filter((host) => host.name !== 'vm1');
    expect(nextHost('10.84', sites, left, 'ams', {})).toMatchObject({ name: 'vm1', address: '10.84.0.12' });
  });

  it.each(['vm1', 'AMS', 'gateway', '', 'a b'])('refuses %j as the name of a data center', (name) => {
    expect(() => grow('10.84', nothing, { sites: [name] })).toThrow('cannot be the name of a data center');
  });
});
