import * as z from 'zod';
import { holds, script, sh, writing } from '../../ssh/command.ts';
import { no, operation, unknown, yes } from '../operation.ts';
import { packagesBusy, packagesInstalled, STATE, withPackages } from './packages.ts';

/**
 * A new machine still runs cloud-init, and most run apt once after their first boot.
 * By files, since asking cloud-init itself takes a second of Python. Where the boot is over without a result,
 * none will come.
 */
export const quiet = operation('system.quiet', z.object({}), {
  kind: 'check',
  fades: true,
  timeout: 900_000,
  publishes: [],
  probe: () => sh`if [ -e /run/cloud-init/enabled ] && [ ! -e /run/cloud-init/result.json ]; then
  case $(systemctl is-system-running) in initializing | starting) echo cloud-init ;; esac
fi
${packagesBusy} || :`,
  judge: ({ stdout }) => {
    const running = stdout.split('\n').filter(Boolean);
    return running.length === 0 ? yes() : no(`${running.join(' and ')} still at work`, 'a quiet machine');
  },
});

const INDEXED = `${STATE}/indexed`;

/** Our own stamp: the files of the index carry the mirror's times. Older than the list of sources counts as old. */
export const index = operation('system.index', z.object({ hours: z.number() }), {
  timeout: 600_000,
  fades: true,
  publishes: [],
  // A newer index harms nobody.
  undo: () => sh`:`,
  probe: (
    _,
    { hours },
  ) => sh`if [ -z "$(find /var/lib/apt/lists -name '*_Packages*' 2>/dev/null | head -n 1)" ]; then echo missing
elif [ -z "$(find ${INDEXED} -mmin ${`-${hours * 60}`} 2>/dev/null)" ]; then echo old
elif [ -n "$(find /etc/apt/sources.list /etc/apt/sources.list.d -newer ${INDEXED} 2>/dev/null)" ]; then echo 'older than its sources'
fi`,
  judge: ({ stdout }, _, { hours }) =>
    stdout.trim() === '' ? yes() : no(stdout.trim(), `younger than ${hours} hours`),
  apply: () =>
    withPackages(
      sh`mkdir -p ${STATE}`,
      sh`touch ${INDEXED}.farweave-new`,
      'apt update',
      sh`mv -f ${INDEXED}.farweave-new ${INDEXED}`,
    ),
});

/** A container engine that is upgraded under a rollout restarts, and on all hosts at once. */
const LEFT_ALONE = ['docker', 'containerd', 'runc'];
const PINS = '/run/farweave-preferences';

export const upgrade = operation('system.upgrade', z.object({}), {
  timeout: 3_600_000,
  fades: true,
  publishes: [],
  // Packages restart the services that they bring, and libc's or systemd's those of others.
  disrupts: true,
  undo: { irreversible: 'packages cannot be downgraded' },
  probe: () => sh`waiting=$(apt-get -s -o Debug::NoLocking=true --with-new-pkgs upgrade) || exit
printf '%s\n' "$waiting" | sed -n 's/^Inst \([^ ]*\) .*/\1/p'`,
  judge: ({ exitCode, stdout, stderr }) => {
    if (exitCode !== 0) return unknown(`apt-get: ${stderr.trim()}`);
    const waiting = stdout.split('\n').filter((name) => name && !LEFT_ALONE.some((part) => name.startsWith(part)));
    if (waiting.length === 0) return yes();
    const first = waiting.slice(0, 3).join(', ');
    return no(`${waiting.length} upgrades behind (${waiting.length > 3 ? `${first}, …` : first})`, 'up to date');
  },
  apply: () =>
    withPackages(
      sh`{ cat /etc/apt/preferences 2>/dev/null || :; printf '\n%s\n' ${pins()}; } > ${PINS}`,
      sh`apt -o Dir::Etc::preferences=${PINS} --with-new-pkgs upgrade`,
      sh`rm -f ${PINS}`,
    ),
});

export const prerequisites = packagesInstalled(
  'system.prerequisites',
  z.object({ packages: z.array(z.string()) }),
  (_, { packages }) => packages,
);

const SETTINGS = '/etc/apt/apt.conf.d/60farweave';
const TIMER = 'apt-daily-upgrade.timer';
const SCHEDULE = `/etc/systemd/system/${TIMER}.d/farweave.conf`;

/** Upgrades once a day, hosts hours apart, and nothing that would restart containers. */
export const unattended = operation('system.unattended', z.object({}), {
  brief: true,
  publishes: [],
  undo: 'restore',
  restored: () => sh`systemctl daemon-reload`,
  probe: (host) => sh`if ${holds(SETTINGS, settings())} && ${holds(SCHEDULE, schedule(host.index))}; then
  systemctl show --property NeedDaemonReload --property LoadState ${TIMER}
fi`,
  judge: ({ stdout }, host) =>
    // Of a timer that somebody has masked there is nothing to load, and systemd 252 goes on asking for it.
    /NeedDaemonReload=no|LoadState=masked/.test(stdout)
      ? yes()
      : no('as the distribution has it', `once a day at ${timeOfDay(host.index)}, never Docker`),
  apply: (host) =>
    script(writing(SETTINGS, settings()), writing(SCHEDULE, schedule(host.index)), sh`systemctl daemon-reload`),
});

const REBOOT_REQUIRED = 'system.rebootRequired';

/** Never a reason to stop: whoever operates the host decides when. */
export const reboot = operation('system.reboot', z.object({}), {
  kind: 'check',
  brief: true,
  publishes: [REBOOT_REQUIRED],
  probe: () => sh`if [ -e /run/reboot-required ]; then
  echo "for $(sort -u /run/reboot-required.pkgs 2>/dev/null | head -n 5 | tr '\n' ' ')"
fi`,
  judge: ({ stdout }) => yes({ [REBOOT_REQUIRED]: stdout.trim().slice(0, 200) || 'no' }),
});

function pins(): string {
  return [
    '',
    `Package: ${LEFT_ALONE.map((name) => `${name}*`).join(' ')}`,
    'Pin: release *',
    'Pin-Priority: -1',
    '',
  ].join('\n');
}

function settings(): string {
  return [
    '// Written by Farweave.',
    'APT::Periodic::Update-Package-Lists "1";',
    'APT::Periodic::Unattended-Upgrade "1";',
    `Unattended-Upgrade::Package-Blacklist { ${LEFT_ALONE.map((name) => `"${name}";`).join(' ')} };`,
    '',
  ].join('\n');
}

function schedule(place: number): string {
  return [
    '# Written by Farweave.',
    '[Timer]',
    'OnCalendar=',
    `OnCalendar=*-*-* ${timeOfDay(place)}:00`,
    'RandomizedDelaySec=10m',
    '',
  ].join('\n');
}

/** By the golden ratio, so that hosts lie far apart however many there are, and neighbours the farthest. */
export function timeOfDay(place: number): string {
  const minute = Math.floor(((place * 0.6180339887) % 1) * 24 * 60);
  return [Math.floor(minute / 60), minute % 60].map((part) => String(part).padStart(2, '0')).join(':');
}
