import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine } from './engine.ts';
import { LabError } from './errors.ts';
import { containerOf, labelOf, networkOf } from './names.ts';
import { isReachable } from './sites.ts';
import type { HostState, LabState } from './state.ts';
import { gatewayAddress } from './subnet.ts';

/** Every capability but SYS_RESOURCE, for engines that may not give all (`--privileged` fails there). */
const CAPABILITIES =
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE ' +
  'NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN ' +
  'SYS_BOOT SYS_NICE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN ' +
  'SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ';

const BOOT_MS = 90_000;
/** What the stack of the demo serves on a host. */
export const SERVICE_PORT = 4567;

/**
 * Makes a host, switched off. `powers` comes from `findPowers`. Docker inside it needs a plain file system, so its
 * folders are volumes.
 */
export async function createHost(
  engine: Engine,
  state: LabState,
  host: HostState,
  image: string,
  powers: readonly string[],
): Promise<void> {
  const name = containerOf(state.id, host.name);
  const siteIndex = state.sites.indexOf(host.site);
  for (const use of ['docker', 'containerd']) {
    await engine.docker(['volume', 'create', `--label=${labelOf(state.id)}`, `${name}-${use}`]);
  }
  // Under its name only when it is complete: a lab that was interrupted here makes it again.
  const unfinished = `${name}-new`;
  await engine.attempt(['rm', '--force', unfinished]);
  await engine.docker([
    'create',
    `--name=${unfinished}`,
    `--hostname=${host.name}`,
    `--label=${labelOf(state.id)}`,
    `--network=${networkOf(state.id, host.site)}`,
    `--ip=${host.address}`,
    ...(isReachable(state, siteIndex) ? [] : await publishing([22, SERVICE_PORT])),
    ...powers,
    '--device=/dev/net/tun',
    '--tmpfs=/run',
    '--tmpfs=/tmp:exec',
    `--volume=${name}-docker:/var/lib/docker`,
    `--volume=${name}-containerd:/var/lib/containerd`,
    image,
  ]);
  const route = `${state.block}.0.0/16 via ${gatewayAddress(state.block, siteIndex)}\n`;
  await putFile(engine, unfinished, '/etc/lab-route', route);
  await engine.docker(['rename', unfinished, name]);
}

/** Ports of this machine that are free now. Chosen here, since an engine would choose others at each start. */
async function publishing(ports: readonly number[]): Promise<string[]> {
  const servers = ports.map(() => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const free = servers.map((server) => (server.address() as AddressInfo).port);
  for (const server of servers) server.close();
  return ports.map((port, n) => `--publish=127.0.0.1:${free[n]}:${port}`);
}

/** Waits until the host has booted and answers on its SSH port; returns the fingerprint of its ed25519 host key. */
export async function waitForHost(engine: Engine, id: string, host: string): Promise<string> {
  const file = '/etc/ssh/ssh_host_ed25519_key.pub';
  const script = `systemctl is-active --quiet ssh.service && cat ${file}`;
  for (const end = Date.now() + BOOT_MS; Date.now() < end; await sleep(200)) {
    const { exitCode, stdout } = await engine.attempt(['exec', containerOf(id, host), 'sh', '-c', script]);
    if (exitCode === 0) return fingerprint(stdout);
  }
  const log = await engine.attempt(['exec', containerOf(id, host), 'systemctl', '--no-pager', '--failed']);
  throw new LabError(
    `${host} did not come up within ${BOOT_MS / 1_000} s`,
    log.stdout + log.stderr || 'See `docker logs`.',
  );
}

function fingerprint(publicKeyLine: string): string {
  const blob = Buffer.from(publicKeyLine.split(' ')[1] ?? '', 'base64');
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}

/** The options that let systemd, Docker and WireGuard run inside a host, as far as this engine can give them. */
export async function findPowers(engine: Engine, image: string): Promise<string[]> {
  const cgroup =
    engine.cgroupVersion === 1 ? ['--volume=/sys/fs/cgroup:/sys/fs/cgroup', '--cgroupns=host'] : ['--cgroupns=private'];
  const privileged = await engine.attempt(['run', '--rm', '--network=none', '--privileged', image, '/bin/true']);
  if (privileged.exitCode === 0) return ['--privileged', ...cgroup];
  return [
    ...CAPABILITIES.split(' ').flatMap((capability) => [`--cap-add=${capability}`]),
    ...['seccomp', 'apparmor', 'systempaths'].flatMap((profile) => [`--security-opt=${profile}=unconfined`]),
    '--device-cgroup-rule=a *:* rwm',
    '--device=/dev/fuse',
    ...cgroup,
  ];
}

async function putFile(engine: Engine, container: string, path: string, text: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'farweave-'));
  writeFileSync(join(folder, 'file'), text, { mode: 0o644 });
  await engine.docker(['cp', join(folder, 'file'), `${container}:${path}`]);
  rmSync(folder, { recursive: true });
}
