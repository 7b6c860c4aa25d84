import * as z from 'zod';
import { sh } from '../../ssh/command.ts';
import { no, operation, unknown, yes } from '../operation.ts';
import { STATE } from './packages.ts';

/** Distribution → first and last release that were thought of. */
const SUPPORTED: Readonly<Record<string, readonly [number, number]>> = { debian: [11, 13], ubuntu: [20.04, 26.04] };
const SUPPORTED_NAMES = 'Debian 11 to 13 or Ubuntu 20.04 to 26.04';
const MACHINES = ['x86_64', 'aarch64'];

export const supported = operation('system.supported', z.object({}), {
  kind: 'preflight',
  brief: true,
  publishes: [],
  probe: () =>
    sh`( . /etc/os-release; printf '%s\n' "$ID" "$VERSION_ID" "$PRETTY_NAME" "$(uname -m)" "$(cat /proc/1/comm)" )`,
  judge: ({ exitCode, stdout }) => {
    const [id, version, name, machine, init] = stdout.split('\n');
    if (exitCode !== 0 || !id || !machine) return unknown('it does not say what it is in /etc/os-release');
    const [first, last] = SUPPORTED[id] ?? [Infinity, 0];
    if (!(Number(version) >= first && Number(version) <= last)) {
      return no(`${name || id} is not supported`, SUPPORTED_NAMES);
    }
    if (!MACHINES.includes(machine)) return no(`a ${machine} processor is not supported`, MACHINES.join(' or '));
    return init === 'systemd' ? yes() : no(`${init || 'something'} runs as init`, 'systemd');
  },
});

/** A host that was rolled out to before has what it needs, and must not be kept from an urgent fix. */
const FRACTION_ONCE_THERE = 8;

export const space = operation('system.space', z.object({ mebibytes: z.number() }), {
  kind: 'preflight',
  brief: true,
  publishes: [],
  probe: () => sh`df -Pk / /var && if [ -d ${STATE}/packages ]; then echo known; fi`,
  judge: ({ exitCode, stdout, stderr }, _, { mebibytes }) => {
    if (exitCode !== 0) return unknown(`df: ${stderr.trim()}`);
    const lines = stdout.trim().split('\n').slice(1);
    const wanted = lines.includes('known') ? mebibytes / FRACTION_ONCE_THERE : mebibytes;
    const short = lines
      .map((line) => line.split(/\s+/))
      .map((columns) => ({ free: Number(columns[3]) / 1024, on: columns[5] }))
      .find(({ free }) => free < wanted);
    return short ? no(`${Math.floor(short.free)} MiB free on ${short.on}`, `${Math.ceil(wanted)} MiB`) : yes();
  },
});
