import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { attempt, isAlive, type ProcessMark, run, startDetached, stopProcess } from './command.ts';
import { connect, type Engine } from './engine.ts';
import { LabError } from './errors.ts';
import { withLock } from './lock.ts';
import { cacheFolder, runFolder } from './place.ts';
import { type Progress, step } from './progress.ts';
import { engineRequirements, isRoot, requirePrograms } from './requirements.ts';

interface EngineRecord extends ProcessMark {
  /** What the machine's firewall was before the engine changed it, for putting back. */
  forwardPolicy: string;
  ipForward: string;
}

const socket = `unix://${runFolder}/docker.sock`;
const recordFile = join(runFolder, 'engine.json');
const lockFile = join(runFolder, 'engine.lock');
const ipForwardFile = '/proc/sys/net/ipv4/ip_forward';

/**
 * The engine to use: the one of the user when it answers, else the lab's own, which is started when it is not running.
 * `preferred` is the engine that an existing lab lives in.
 */
export async function findEngine(progress: Progress, preferred?: string): Promise<Engine> {
  const candidates = preferred === undefined ? ['', socket] : [preferred];
  for (const host of candidates) {
    if (host === socket && !existsSync(recordFile)) continue;
    const engine = await connect(host);
    if (engine) return engine;
  }
  if (preferred !== undefined && preferred !== socket) {
    throw new LabError(
      `The Docker engine that holds this lab does not answer (${preferred || "the client's default"})`,
      'Start it again, or give the lab up with `farweave lab down`.',
    );
  }
  await requirePrograms(engineRequirements, progress, 'No Docker engine answers here');
  if (!isRoot())
    throw new LabError(
      'No Docker engine answers here, and starting one takes root',
      'Start yours, or see to it that your user may use it (the group docker), or run this as root.',
    );
  // Where systemd runs, installing the package has just started the machine's own engine.
  return (preferred === undefined ? await connect('') : undefined) ?? (await startOwnEngine(progress));
}

/** True for the engine that the lab starts itself, wherever its lab is. */
export function isOwnEngine(host: string | undefined): boolean {
  return host === socket;
}

/** The running engine that holds the lab, without starting anything. */
export async function findRunningEngine(preferred?: string): Promise<Engine | undefined> {
  for (const host of preferred === undefined ? ['', socket] : [preferred]) {
    const engine = await connect(host);
    if (engine) return engine;
  }
  return undefined;
}

/** Ends the lab's own engine when no lab uses it any more, and puts the machine's firewall back. */
export async function stopIdleEngine(engine: Engine, progress: Progress): Promise<void> {
  if (engine.host !== socket) return;
  await withLock(lockFile, progress, async () => {
    const record = readRecord();
    const labs = await engine.docker(['ps', '-aq', '--filter', 'label=farweave.lab']);
    const running = await engine.docker(['ps', '-q']); // whatever else somebody runs in it
    if (!record || labs.trim() !== '') return;
    if (running.trim() !== '') return progress('the Docker engine stays: something else runs in it');
    await step(progress, 'stopping the Docker engine that the lab had started', async () => {
      await stopProcess(record);
      await removeFirewallChains(record);
    });
    rmSync(recordFile, { force: true });
  });
}

async function startOwnEngine(progress: Progress): Promise<Engine> {
  return withLock(lockFile, progress, async () => {
    const running = await connect(socket);
    if (running) return running;
    const dataRoot = join(cacheFolder, 'engine');
    const logFile = join(runFolder, 'dockerd.log');
    mkdirSync(dataRoot, { recursive: true });
    mkdirSync(runFolder, { recursive: true });
    rmSync(join(runFolder, 'docker.pid'), { force: true });
    const before = readRecord() ?? (await firewallBefore()); // an engine that crashed has left its changes
    const mark = startDetached(
      [
        'dockerd',
        `--host=${socket}`,
        `--data-root=${dataRoot}`,
        `--exec-root=${join(runFolder, 'exec')}`,
        `--pidfile=${join(runFolder, 'docker.pid')}`,
        '--bridge=none',
      ],
      logFile,
    );
    writeFileSync(recordFile, JSON.stringify({ ...before, ...mark } satisfies EngineRecord));
    return step(progress, 'starting a Docker engine for the lab', async () => {
      for (let tries = 0; tries < 300 && isAlive(mark); tries++) {
        const engine = existsSync(join(runFolder, 'docker.sock')) ? await connect(socket) : undefined;
        if (engine) return engine;
        await sleep(100);
      }
      await stopProcess(mark);
      const tail = readFileSync(logFile, 'utf8').trim().split('\n').slice(-5).join('\n');
      throw new LabError('The Docker engine did not start', `${tail}\nIts log: ${logFile}`);
    });
  });
}

function readRecord(): EngineRecord | undefined {
  try {
    return JSON.parse(readFileSync(recordFile, 'utf8')) as EngineRecord;
  } catch {
    return undefined;
  }
}

async function firewallBefore(): Promise<Pick<EngineRecord, 'forwardPolicy' | 'ipForward'>> {
  const rules = await attempt(['iptables', '-S', 'FORWARD']);
  return {
    forwardPolicy: /^-P FORWARD (\w+)/m.exec(rules.stdout)?.[1] ?? 'ACCEPT',
    ipForward: readFileSync(ipForwardFile, 'utf8').trim(),
  };
}

/** An engine leaves its chains behind when it ends. They go, unless another engine on this machine uses them too. */
async function removeFirewallChains(before: EngineRecord): Promise<void> {
  if (anyEngineRuns()) return;
  await run(['iptables', '-P', 'FORWARD', before.forwardPolicy]);
  for (const table of ['filter', 'nat']) {
    const rules = (await run(['iptables', '-t', table, '-S'])).split('\n');
    const jumps = rules.filter((rule) => /^-A (?!DOCKER).* -j DOCKER/.test(rule));
    const chains = rules.flatMap((rule) => /^-N (DOCKER.*)$/.exec(rule)?.[1] ?? []);
    for (const jump of jumps) await run(['iptables', '-t', table, '-D', ...jump.slice('-A '.length).split(' ')]);
    for (const chain of chains) await run(['iptables', '-t', table, '-F', chain]);
    for (const chain of chains) await run(['iptables', '-t', table, '-X', chain]);
  }
  writeFileSync(ipForwardFile, before.ipForward);
}

function anyEngineRuns(): boolean {
  return readdirSync('/proc').some((pid) => {
    try {
      return /^\d+ \(dockerd\) [^ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    } catch {
      return false; // no process, or one that has just ended
    }
  });
}
