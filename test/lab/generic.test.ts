import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { exec, type Lab, type LabHost, serveServices, up } from '../../src/lab/index.ts';
import { farweave, type Ran } from './farweave.ts';

/** Both stacks of the examples that are made of nothing but containers and scripts, beside the forum that serves already. */
let lab: Lab;
let stack: Cluster;
let isGone = false;
const good = join(inject('demo'), 'cluster.yaml');
const file = join(inject('demo'), 'own-stacks.yaml');
const examples = ['redis-web', 'prometheus'];

interface Cluster {
  readonly rollout?: object;
  readonly roles: {
    readonly script?: Readonly<Record<string, object>>;
    readonly container?: Readonly<Record<string, Service>>;
  };
}
interface Service {
  readonly image: string;
  readonly [key: string]: unknown;
}

beforeAll(async () => {
  lab = await up({ progress: () => undefined });
  const images: Readonly<Record<string, string>> = await serveServices({ progress: () => undefined });
  const read = async (path: string) => parse(await readFile(path, 'utf8')) as Cluster;
  const demo = await read(good);
  const own = await Promise.all(examples.map((name) => read(join(import.meta.dirname, `../../examples/${name}.yaml`))));
  const services = Object.entries(
    Object.assign({}, ...own.map(({ roles }) => roles.container)) as Cluster['roles']['container'] & object,
  );
  stack = {
    ...demo,
    roles: {
      ...demo.roles,
      script: Object.assign({}, ...own.map(({ roles }) => roles.script)),
      container: Object.fromEntries(
        services.map(([name, service]) => [name, { ...service, image: images[service.image] ?? service.image }]),
      ),
    },
  };
});

afterAll(async () => {
  const { exitCode } = isGone ? { exitCode: 0 } : await applied(without(stack));
  await rm(file, { force: true });
  if (exitCode !== 0) return; // what may still run needs its data and images
  const left = 'rm -rf /var/lib/farweave-data /var/lib/node-exporter /run/own-marker; docker image prune --all --force';
  for (const { name } of lab.hosts) await exec(name, ['sh', '-c', left]);
});

describe('stacks of one’s own', () => {
  it('are rolled out beside what is there', async () => {
    expect(await applied(stack)).toMatchObject({ exitCode: 0 });
  });

  it('have a web application on every host that counts in a Redis on one of them', async () => {
    const pages = [];
    for (const host of [...lab.hosts, ...lab.hosts]) pages.push(await page(host));
    const names = lab.hosts.map(({ name }) => name);
    // From 1001: the script has set where to begin.
    expect(pages).toEqual([...names, ...names].map((name, n) => `Hello from ${name}: visit ${1001 + n}`));
  });

  it('have a Prometheus that finds and sees the exporter of every host, and a metric that a script wrote', async () => {
    const sites = async () => new Set((await query('host_site')).map(({ metric }) => metric.site));
    await expect.poll(sites, { timeout: 60_000, interval: 1000 }).toEqual(new Set(lab.sites));
    expect((await query('up{job="node"}')).map(({ value }) => value[1])).toEqual(['1', '1', '1']);
  });

  it('show no secret to those who look at processes', async () => {
    const { stdout: password } = await farweave(['--file', file, 'secrets', 'show', 'generated.redis-password']);
    expect(password.trim()).toMatch(/^\w{32}$/);
    for (const { name } of lab.hosts) {
      expect((await exec(name, ['ps', '-eo', 'args'])).stdout).not.toContain(password.trim());
      expect((await exec(name, ['stat', '-c', '%a', '/etc/farweave/container'])).stdout.trim()).toBe('700');
    }
  });

  it('are left alone by a rollout that has nothing to do', async () => {
    expect(await applied(stack)).toMatchObject({
      exitCode: 0,
      output: expect.stringContaining('done: 0 changed') as string,
    });
  });
});

describe('a change', () => {
  it('of an environment goes over the hosts of that service one at a time, and nowhere else', async () => {
    const before = await containers();
    stack = withService(stack, 'web', { env: { ...(stack.roles.container!.web!.env as object), GREETING: 'Welcome' } });
    let ended = false;
    const change = applied(stack).finally(() => {
      ended = true;
    });
    let most = 0;
    while (!ended) {
      const away = await Promise.all(lab.hosts.map(async (host) => !(await serves(host))));
      most = Math.max(most, away.filter(Boolean).length);
      await sleep(100);
    }
    expect(await change).toMatchObject({ exitCode: 0, output: expect.stringContaining('done: 3 changed') as string });
    expect(most).toBe(1);
    for (const host of lab.hosts) expect(await page(host)).toMatch(/^Welcome from /);
    const others = (all: readonly string[]) => all.map((text) => text.replaceAll(/^web .*\n/gm, ''));
    expect(others(await containers())).toEqual(others(before));
  });

  it('that somebody else made is found, and put right', async () => {
    await exec('vm1', ['docker', 'stop', 'web']);
    await exec('vm2', ['sh', '-c', 'echo BY_HAND=1 >> /etc/farweave/container/node-exporter/environment']);
    const { output } = await farweave(['--file', file, 'plan', '--check']);
    expect(output).toMatch(/container\.start: start web\s+is\s+exited\s+wanted\s+running/);
    expect(output).toMatch(/is\s+running, with files that were edited/);
    expect(await applied(stack)).toMatchObject({
      exitCode: 0,
      output: expect.stringContaining('done: 2 changed') as string,
    });
    expect(await serves(lab.hosts[1]!)).toBe(true);
  });

  it('that fails is taken back: what scripts did by their undo, containers by what they were made from', async () => {
    const before = await containers();
    const marker = { check: 'test -e /run/own-marker', apply: 'touch /run/own-marker', undo: 'rm /run/own-marker' };
    const changed = withService(stack, 'node-exporter', { env: { NEWER: 1 } });
    const broken = withService(changed, 'prometheus', { command: ['--no-such-option'], health: { within: '5s' } });
    const ran = await applied({
      ...broken,
      roles: { ...broken.roles, script: { ...broken.roles.script, marker } },
      rollout: { onFailure: 'rollback' },
    });
    expect(ran.exitCode).toBe(1);
    for (const { name } of lab.hosts) {
      expect(ran.output).toContain(`${name} script.run: Undone`);
      expect(ran.output).toContain(`${name} container.start: Undone`);
      expect(await exec(name, ['test', '-e', '/run/own-marker'])).toMatchObject({ exitCode: 1 });
    }
    expect(ran.output).not.toContain('not taken back');
    const digests = (all: readonly string[]) => all.map((text) => text.replaceAll(/ [\d-]+T\S+$/gm, ''));
    expect(digests(await containers())).toEqual(digests(before));
    expect(await applied(stack)).toMatchObject({
      exitCode: 0,
      output: expect.stringContaining('done: 0 changed') as string,
    });
  });

  it('of where a service is to be moves it, and leaves its data where they are', async () => {
    stack = withService(stack, 'redis', { count: undefined, hosts: ['vm1'] });
    const { script: _, ...roles } = stack.roles; // the script that looks for Redis on vm0
    expect(await applied({ ...stack, roles })).toMatchObject({ exitCode: 0 });
    expect(await page(lab.hosts[0]!)).toMatch(/ from vm0: visit 1$/);
    expect((await containers())[0]).not.toMatch(/^redis /m);
    expect(await exec('vm0', ['test', '-d', '/var/lib/farweave-data/redis/data'])).toMatchObject({ exitCode: 0 });
  });

  it('that takes all of it away leaves the forum as it was', async () => {
    expect(await applied(without(stack))).toMatchObject({ exitCode: 0 });
    isGone = true;
    expect((await containers()).join('')).not.toMatch(/^(?:redis|web|node-exporter|prometheus) /m);
    expect(await farweave(['--file', good, 'apply', '--yes'])).toMatchObject({
      exitCode: 0,
      output: expect.stringContaining('done: 0 changed') as string,
    });
  });
});

async function applied(cluster: Cluster): Promise<Ran> {
  await writeFile(file, stringify(cluster));
  return farweave(['--file', file, 'apply', '--yes']);
}

const without = (cluster: Cluster): Cluster => ({
  ...cluster,
  roles: { ...cluster.roles, script: {}, container: {} },
});

function withService(cluster: Cluster, name: string, change: object): Cluster {
  const services = cluster.roles.container ?? {};
  const service = { ...services[name]!, ...change };
  return { ...cluster, roles: { ...cluster.roles, container: { ...services, [name]: service } } };
}

/** The page of the web application, which counts. */
async function page({ address }: LabHost): Promise<string> {
  const response = await fetch(`http://${address}:8080/`, { signal: AbortSignal.timeout(10_000) });
  return (await response.text()).trim();
}

const serves = ({ address }: LabHost) =>
  fetch(`http://${address}:8080/healthz`, { signal: AbortSignal.timeout(5_000) }).then(
    ({ ok }) => ok,
    () => false,
  );

interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

/** What Prometheus knows. */
async function query(text: string): Promise<readonly Sample[]> {
  const url = `http://${lab.hosts[0]!.address}:9090/api/v1/query?query=${encodeURIComponent(text)}`;
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  return ((await response.json()) as { data: { result: readonly Sample[] } }).data.result;
}

/** All that run, a line each: what from, and since when. */
function containers(): Promise<readonly string[]> {
  const format = '{{slice .Name 1}} {{index .Config.Labels "farweave.digest"}} {{.State.StartedAt}}';
  const look = `docker inspect --format '${format}' $(docker ps --quiet) | sort`;
  return Promise.all(lab.hosts.map(async ({ name }) => (await exec(name, ['sh', '-c', look])).stdout));
}
