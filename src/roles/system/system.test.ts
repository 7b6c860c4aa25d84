import { describe, expect, test } from 'vitest';
import { applied, hostAt, said } from '../../../test/applied.ts';
import { index, quiet, reboot, timeOfDay, unattended, upgrade } from './operations.ts';
import { installing, judgeInstalled, purgingAdded } from './packages.ts';
import { space, supported } from './preflights.ts';

const host = hostAt(1);

describe('system.supported', () => {
  test.each([
    ['debian', '11', 'Debian GNU/Linux 11 (bullseye)', 'x86_64'],
    ['debian', '13', 'Debian GNU/Linux 13 (trixie)', 'aarch64'],
    ['ubuntu', '20.04', 'Ubuntu 20.04.6 LTS', 'x86_64'],
    ['ubuntu', '26.04', 'Ubuntu 26.04 LTS', 'x86_64'],
  ])('takes %s %s', (...lines) => {
    expect(supported.judge(said([...lines, 'systemd', ''].join('\n')), host, {}, {})).toEqual({ is: 'yes' });
  });

  test.each([
    ['alpine', '3.20.3', 'Alpine Linux v3.20', 'x86_64', 'Alpine Linux v3.20 is not supported'],
    ['debian', '10', 'Debian GNU/Linux 10 (buster)', 'x86_64', 'Debian GNU/Linux 10 (buster) is not supported'],
    ['debian', '', 'Debian GNU/Linux forky/sid', 'x86_64', 'Debian GNU/Linux forky/sid is not supported'],
    ['ubuntu', '18.04', 'Ubuntu 18.04.6 LTS', 'x86_64', 'Ubuntu 18.04.6 LTS is not supported'],
    ['rocky', '9.4', 'Rocky Linux 9.4 (Blue Onyx)', 'x86_64', 'Rocky Linux 9.4 (Blue Onyx) is not supported'],
    ['debian', '12', 'Debian GNU/Linux 12 (bookworm)', 'armv7l', 'a armv7l processor is not supported'],
  ])('refuses %s %s by name', (id, version, name, machine, now) => {
    const verdict = supported.judge(said([id, version, name, machine, 'systemd', ''].join('\n')), host, {}, {});
    expect(verdict).toMatchObject({ is: 'no', now });
  });

  test('refuses a Debian without systemd', () => {
    const lines = ['debian', '12', 'Debian GNU/Linux 12 (bookworm)', 'x86_64', 'tini', ''];
    expect(supported.judge(said(lines.join('\n')), host, {}, {})).toMatchObject({ is: 'no', wanted: 'systemd' });
  });

  test('does not know a machine without os-release', () => {
    expect(supported.judge(said('', 2), host, {}, {})).toMatchObject({ is: 'unknown' });
  });
});

describe('system.space', () => {
  const df = (root: number, rest = '') => `Filesystem 1024-blocks Used Available Capacity Mounted on
/dev/vda1 10000000 1 ${root * 1024} 1% /
/dev/vdb1 10000000 1 ${5000 * 1024} 1% /var
${rest}`;

  test.each([
    ['enough', df(2048), { is: 'yes' }],
    ['too little', df(2047), { is: 'no', now: '2047 MiB free on /', wanted: '2048 MiB' }],
    ['little, on a host that was rolled out to before', df(300, 'known\n'), { is: 'yes' }],
    ['next to nothing even so', df(255, 'known\n'), { is: 'no', now: '255 MiB free on /', wanted: '256 MiB' }],
  ])('%s', (_, stdout, verdict) => {
    expect(space.judge(said(stdout), host, { mebibytes: 2048 }, {})).toEqual(verdict);
  });
});

test('a machine is quiet when neither cloud-init nor package work goes on', () => {
  expect(quiet.judge(said('', 0), host, {}, {})).toEqual({ is: 'yes' });
  expect(quiet.judge(said('cloud-init\nprocess 612 unattended-upgr\n'), host, {}, {})).toMatchObject({
    is: 'no',
    now: 'cloud-init and process 612 unattended-upgr still at work',
  });
});

test('a package index is missing, old, or fresh', () => {
  expect(index.judge(said(''), host, { hours: 24 }, {})).toEqual({ is: 'yes' });
  expect(index.judge(said('old\n'), host, { hours: 24 }, {})).toEqual({
    is: 'no',
    now: 'old',
    wanted: 'younger than 24 hours',
  });
});

describe('system.upgrade', () => {
  test.each([
    ['nothing waits', '', { is: 'yes' }],
    ['container engines wait for somebody to ask', 'docker.io\ncontainerd\nrunc\ndocker-ce-cli\n', { is: 'yes' }],
    ['one waits', 'docker.io\nopenssl\n', { is: 'no', now: '1 upgrades behind (openssl)', wanted: 'up to date' }],
    ['many wait', 'a1\nb1\nc1\nd1\n', { is: 'no', now: '4 upgrades behind (a1, b1, c1, …)', wanted: 'up to date' }],
  ])('%s', (_, stdout, verdict) => {
    expect(upgrade.judge(said(stdout), host, {}, {})).toEqual(verdict);
  });

  test('is unknown where apt cannot say', () => {
    expect(upgrade.judge(said('', 100, 'E: broken\n'), host, {}, {})).toEqual({
      is: 'unknown',
      why: 'apt-get: E: broken',
    });
  });

  test('pins container engines while everything else is upgraded', () => {
    const { text } = applied(upgrade, host, {});
    expect(text).toContain('Package: docker* containerd* runc*\nPin: release *\nPin-Priority: -1');
    expect(text).toContain('apt -o Dir::Etc::preferences=/run/farweave-preferences --with-new-pkgs upgrade');
  });
});

describe('packages', () => {
  test('are judged by name, and those that are missing are named', () => {
    expect(judgeInstalled(said('curl\nprocps\n'), ['curl', 'procps'])).toEqual({ is: 'yes' });
    expect(judgeInstalled(said('curl\n'), ['curl', 'procps', 'kmod'])).toEqual({
      is: 'no',
      now: 'without procps, kmod',
      wanted: 'curl, procps, kmod installed',
    });
  });

  test('are installed without a question, and without a service being restarted behind the rollout', () => {
    const { text } = installing('test.install', ['curl']);
    for (const part of [
      'DEBIAN_FRONTEND=noninteractive',
      'NEEDRESTART_SUSPEND=1',
      'APT_LISTCHANGES_FRONTEND=none',
      '--force-confdef',
      '--force-confold',
      'DPkg::Lock::Timeout=',
      'exit 75',
      'exit 28',
    ]) {
      expect(text).toContain(part);
    }
  });

  test('are noted in a file that an undo restores and in one that it does not, before anything is installed', () => {
    const { text, saves } = installing('test.install', ['curl']);
    expect(saves).toEqual(['/var/lib/farweave/packages/test.install']);
    expect(text.indexOf('packages/test.install.all\n')).toBeLessThan(text.indexOf('apt install --no-install'));
    expect(purgingAdded('test.install').text).toContain(
      'comm -23 /var/lib/farweave/packages/test.install.all /var/lib/farweave/packages/test.install',
    );
  });
});

describe('unattended upgrades', () => {
  test('leave container engines alone', () => {
    const { text, saves } = applied(unattended, host, {});
    expect(text).toContain('Unattended-Upgrade::Package-Blacklist { "docker"; "containerd"; "runc"; };');
    expect(saves).toContain('/etc/systemd/system/apt-daily-upgrade.timer.d/farweave.conf');
  });

  test.each([3, 12, 50])('of %i hosts lie apart by at least a third of an even share', (count) => {
    const minutes = Array.from({ length: count }, (_, place) => timeOfDay(place))
      .map((time) => time.split(':').map(Number))
      .map(([hour = 0, minute = 0]) => hour * 60 + minute)
      .toSorted((one, other) => one - other);
    const gaps = minutes.map((minute, n) => ((minutes[n + 1] ?? minutes[0]! + 1440) - minute) as number);
    expect(Math.min(...gaps)).toBeGreaterThan(1440 / count / 3);
  });

  test.each([
    ['NeedDaemonReload=no\nLoadState=loaded\n', 'yes'],
    ['NeedDaemonReload=yes\nLoadState=masked\n', 'yes'],
    ['NeedDaemonReload=yes\nLoadState=loaded\n', 'no'],
    ['', 'no'],
  ])('%j is %s', (stdout, is) => {
    expect(unattended.judge(said(stdout), host, {}, {})).toMatchObject({ is });
  });
});

test('a reboot that is due is a fact, not a failure', () => {
  expect(reboot.judge(said(''), host, {}, {})).toEqual({ is: 'yes', facts: { 'system.rebootRequired': 'no' } });
  expect(reboot.judge(said('for linux-image-amd64 \n'), host, {}, {})).toEqual({
    is: 'yes',
    facts: { 'system.rebootRequired': 'for linux-image-amd64' },
  });
});
