import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { down } from '../../../src/client/dev/embedded.ts';
import {
  apply,
  connect,
  draft,
  type Farweave,
  parseCluster,
  resolveSecrets,
  status,
} from '../../../src/client/index.ts';
import { digestOf } from '../../../src/plan/digest.ts';
import type { Plan } from '../../../src/plan/plan.ts';
import { farweave as here } from '../../unit/cli-io.ts';
import { createHost, type OwnHost } from './host.ts';
import type { Sighting } from './sampler.ts';

/** Letters and digits that stand nowhere else. */
const canary = () => `Canary${randomBytes(12).toString('hex')}`;
/** A value around one that programs have to quote, escape and encode. */
const awkward = (core: string) => `it's "${core}" $&<é>/+`;

const CORES = { login: canary(), sudo: canary(), token: canary(), entry: canary(), sealed: canary() };
const KEY = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
}).privateKey;
/** Stands in the open, on purpose: what finds nothing else must find this. */
const CONTROL = `Control${randomBytes(12).toString('hex')}`;

/** How the command line ended, and all that it said. */
interface Said {
  readonly exitCode: number | null;
  readonly out: string;
  readonly err: string;
}

/** Two rollouts through a real server, a real worker and a real sshd: the first fails and says what it knows, the second ends well. */
export interface Scene {
  readonly farweave: Farweave;
  readonly host: OwnHost;
  readonly folder: string;
  readonly state: string;
  /** Where the Web UI and the HTTP API of the server are. */
  readonly embedded: { readonly ui: string; readonly http: string };
  /** Name → text to look for: what is never to be found. `control` is to be. */
  readonly wanted: Readonly<Record<string, string>>;
  /** What each command has said that was called. */
  readonly said: Readonly<Record<string, Said>>;
  readonly sampled: { readonly sweeps: number; readonly sightings: readonly Sighting[] };
}

/** Whatever happens, nothing that was started is left behind: what `ends` holds is called, the last first. */
export async function play(ends: (() => unknown)[]): Promise<Scene> {
  const folder = mkdtempSync(join(tmpdir(), 'farweave-canary-'));
  ends.push(() => rmSync(folder, { recursive: true }));
  const state = join(folder, 'state');
  const host = await createHost({ login: awkward(CORES.login), sudo: awkward(CORES.sudo) });
  ends.push(() => host.remove());
  const put = (name: string, value: string) => writeFileSync(join(folder, name), value, { mode: 0o600 });
  put('login', awkward(CORES.login));
  put('sudo', awkward(CORES.sudo));
  put('key.pem', KEY);
  put('entries.json', JSON.stringify({ ENTRY: awkward(CORES.entry) }));
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    // Where the server's program lies already.
    XDG_CACHE_HOME: process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'),
    CANARY_TOKEN: awkward(CORES.token),
    FARWEAVE_WORKER_SECRETS: join(folder, 'entries.json'),
  };
  const said: Record<string, Said> = {};
  const call = async (args: string, stdin = '') => (said[args] = await command(args, { folder, state, env, stdin }));

  ends.push(() => down(state, () => {}));
  const embedded = JSON.parse((await call('dev up --json')).out) as Scene['embedded'];
  const sealed = (await call('secrets seal', awkward(CORES.sealed))).out.trim();
  const lines = KEY.split('\n');
  const wanted = {
    ...CORES,
    // What comes before the script pauses.
    'token, its beginning': CORES.token.slice(0, 14),
    key: lines[1]!,
    'key, later': lines[9]!,
    control: CONTROL,
  };
  const sampling = startSampling();
  ends.push(() => sampling.kill());
  sampling.look(wanted);

  const farweave = await connect({ state, env });
  ends.push(() => farweave.close());
  const roll = async (round: number) => {
    const yaml = clusterFile({ port: host.port, sealed, round });
    put('cluster.yaml', yaml);
    const { cluster } = parseCluster(yaml, { file: 'cluster.yaml' });
    const made = draft(cluster, await status(farweave, cluster.name));
    const plan = scriptsOf(made.plan);
    const values = await resolveSecrets(cluster.secrets, env, { directory: folder });
    await apply(farweave, { ...made, plan, digest: digestOf(plan) }, Object.fromEntries(values));
  };
  await roll(1);
  await call('watch');
  await call('status');
  const shown = await command('secrets show generated.made', { folder, state, env, stdin: '' });
  if (shown.exitCode !== 0) throw new Error(`what was generated is not shown: ${shown.err}`);
  const all = { ...wanted, generated: shown.out.trim() };
  sampling.look(all);
  await roll(2);
  await call('watch --json');
  const more = ['watch 1', 'status --json', 'events', 'drift', 'secrets list', 'cluster spec', 'dev logs'];
  for (const args of more) {
    said[args] = await here(['--state', state, ...args.split(' ')], { cwd: folder });
  }
  return { farweave, host, folder, state, embedded, wanted: all, said, sampled: await sampling.end() };
}

/** In the first round the script fails, after it has said everything in all the ways in which programs do. */
function clusterFile({ port, sealed, round }: { port: number; sealed: string; round: number }): string {
  const speaks = `set -x
: "$TOKEN" ${CONTROL}
set +x
printf '%.20s' "$TOKEN"
sleep ${round === 1 ? 4 : 0}
printf '%s\\n' "\${TOKEN#????????????????????}"
printf '{"token": "%s"}\\n' "$TOKEN"
printf '%s' "$TOKEN" | base64
printf 'me:%s' "$TOKEN" | base64
printf '%s\\n' "$KEY"
printf '%s\\n' "$KEY" | base64
echo "with $LOGIN, $MADE, $ENTRY and $SEALED" >&2
sleep 1
${round === 1 ? 'echo "refused: $TOKEN" >&2; exit 1' : 'touch /var/lib/spoken'}`;
  const uses = `printf '%s' "$MADE$ENTRY$SEALED$KEY" | sha256sum`;
  return `apiVersion: farweave.dev/v1
kind: Cluster
metadata: { name: canary }
sites: { here: {} }
access:
  user: canary
  password: { file: login }
  sudo: { password: { command: [cat, sudo] } }
hosts:
  - { name: vm0, site: here, address: 127.0.0.1, port: ${port} }
rollout: { onFailure: pause }
roles:
  script:
    uses:
      check: ${JSON.stringify(`[ "$(${uses})" = "$(cat /var/lib/used${round})" ]`)}
      apply: ${JSON.stringify(`sleep 1\n${uses} > /var/lib/used${round}`)}
      undo: rm -f /var/lib/used${round}
      env: &secrets
        MADE: { generated: made }
        ENTRY: { worker: ENTRY }
        SEALED: ${sealed}
        KEY: { file: key.pem }
        TOKEN: { env: CANARY_TOKEN }
        LOGIN: { file: login }
        CONTROL: ${CONTROL}
    speaks:
      check: ${JSON.stringify('echo "it is $TOKEN, $(printf %s "$TOKEN" | base64 -w 0)"\ntest -e /var/lib/spoken')}
      apply: ${JSON.stringify(speaks)}
      undo: rm -f /var/lib/spoken
      env: *secrets
`;
}

/** Without what would change the machine that the test runs on, and without second attempts. */
function scriptsOf(plan: Plan): Plan {
  const stages = plan.stages.filter(({ operation }) => operation.startsWith('script.'));
  const ids = new Set(stages.map(({ id }) => id));
  const segments = plan.segments
    .map((segment) => ({ ...segment, stages: segment.stages.filter((id) => ids.has(id)) }))
    .filter((segment) => segment.stages.length > 0);
  return { ...plan, stages, segments, patience: {} };
}

interface Surroundings {
  readonly folder: string;
  readonly state: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: string;
}

async function command(args: string, { folder, state, env, stdin }: Surroundings): Promise<Said> {
  const main = join(import.meta.dirname, '../../../src/client/main.ts');
  const child = spawn(process.execPath, [main, '--state', state, ...args.split(' ')], { cwd: folder, env });
  child.stdin.end(stdin);
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [out, err, exitCode] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { exitCode, out, err };
}

function startSampling() {
  const program = join(import.meta.dirname, 'sampler.ts');
  const child: ChildProcess = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'], env: {} });
  const answer = text(child.stdout!);
  return {
    look: (wanted: Readonly<Record<string, string>>) => void child.stdin!.write(`${JSON.stringify(wanted)}\n`),
    kill: () => child.kill(),
    end: async () => {
      await pause(50);
      child.stdin!.end();
      return JSON.parse(await answer) as Scene['sampled'];
    },
  };
}
