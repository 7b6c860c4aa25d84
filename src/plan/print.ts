import { argumentLines } from './arguments.ts';
import { digestOf, short } from './digest.ts';
import { fold, many } from './fold.ts';
import { type Gate, type HostSpec, isErasing, type Plan, type SecretSource, type Stage } from './plan.ts';
import { policyText, spareText } from './print-policy.ts';
import { wayTo } from './way.ts';

/** A plan as text, for people: where, what in which order, with which secrets; the digest last. */
export function printPlan(plan: Plan): string {
  const args = argumentLines(plan.stages);
  const sections = [header(plan), ...rolesOf(plan).map((role) => roleText(plan, role, args)), footer(plan)];
  return `${sections.join('\n\n')}\n`;
}

type Arguments = ReturnType<typeof argumentLines>;

function header(plan: Plan): string {
  const sites = [...new Set(plan.hosts.map(({ site }) => site))];
  const what = { verify: 'Checks', apply: 'Plan', destroy: 'The end', backup: 'Backup', restore: 'Restore' }[
    plan.purpose
  ];
  const count = `${many(plan.hosts.length, 'host')} in ${many(sites.length, 'site')}, ${many(plan.stages.length, 'stage')}`;
  const width = Math.max(...sites.map(({ length }) => length));
  return [
    `${what} ${plan.purpose === 'destroy' ? 'of' : 'for'} the cluster ${plan.cluster}: ${count}`,
    '',
    ...sites.map((site) => `  ${site.padEnd(width)}  ${siteText(plan, site)}`),
  ].join('\n');
}

function siteText({ hosts: all, bastions }: Plan, site: string): string {
  const hosts = all.filter((host) => host.site === site);
  const shown = hosts.slice(0, 4).map(({ name, ...at }) => `${name} ${placeText(at)}`);
  // From this machine to the hosts, as they go.
  const ways = hosts.map((host) =>
    wayTo(host, bastions)
      .map(({ name }) => name)
      .toReversed()
      .join(', '),
  );
  const [way = '', ...others] = new Set(ways);
  const via = others.length > 0 ? ', some of them via bastions' : way && `, via ${way}`;
  return `${shown.join(', ')}${hosts.length > 4 ? `, … ${many(hosts.length, 'host')}` : ''}${via}`;
}

function placeText({ address, port }: Pick<HostSpec, 'address' | 'port'>): string {
  const host = address.includes(':') && port !== 22 ? `[${address}]` : address;
  return `${host}${port === 22 ? '' : `:${port}`}`;
}

function rolesOf(plan: Plan): readonly string[] {
  return [...new Set(plan.stages.map(({ operation }) => roleOf(operation)))];
}

function roleText(plan: Plan, role: string, args: Arguments): string {
  const stages = plan.stages.filter(({ operation }) => roleOf(operation) === role);
  return [role, ...stages.flatMap((stage) => stageText(plan, stage, args))].join('\n');
}

function stageText(plan: Plan, stage: Stage, args: Arguments): readonly string[] {
  const all = plan.hosts.map(({ name }) => name);
  const [number = ''] = stage.id.split('-');
  const name = stage.operation.padEnd(Math.max(...plan.stages.map(({ operation }) => operation.length)));
  const title = stage.title.padEnd(Math.max(...plan.stages.map((each) => each.title.length)));
  const line = `  ${number}  ${name}  ${title}  ${hostsText(stage, all)}`;
  const notes = [
    ...(stage.afterChange ? ['only where something was changed'] : []),
    ...orderText(stage),
    ...(stage.scope !== 'host' && stage.gate ? [gateText(stage.gate)] : []),
    ...spareText(stage, plan.stages),
    ...(stage.halts ? ['stops what serves there, on all of them at once'] : []),
    ...(stage.irreversible && plan.purpose !== 'destroy' ? [`cannot be undone: ${stage.irreversible}`] : []),
    ...(args.get(stage) ?? []),
    ...(stage.secrets.length > 0 ? [`secrets: ${stage.secrets.join(', ')}`] : []),
  ];
  return [line, ...notes.map((note) => `        ${note}`)];
}

function hostsText(stage: Stage, all: readonly string[]): string {
  const hosts = fold(stage.hosts, all);
  const one = stage.scope !== 'host' && stage.on === 'one' && stage.hosts.length > 1;
  return `${one ? 'one of ' : ''}${hosts}${{ preflight: ', asked before all else', change: '', check: ', waited for' }[stage.kind]}`;
}

/** Only what is a barrier is worth a line: all else goes at each host's own pace. */
function orderText(stage: Stage): readonly string[] {
  if (stage.scope === 'host') return [];
  const where = stage.scope === 'site' ? 'in every site' : 'in the cluster';
  if (stage.on === 'one' || stage.order === 'all') return [`no host ${where} goes on before it is done`];
  if ('rolling' in stage.order) return [`${stage.order.rolling} at a time ${where}`];
  return [`one at a time ${where}, ${stage.order.first.join(' and ')} (${stage.order.by}) first`];
}

function gateText({ operation }: Gate): string {
  return `goes on when ${operation} holds`;
}

function footer(plan: Plan): string {
  const failure = {
    pause: 'the rollout stops and waits for you: retry, skip or rollback',
    rollback: 'what this rollout changed is undone',
    continue: 'the other hosts go on',
  }[plan.onFailure];
  const parked = plan.budget === 0 ? 'no host may be parked' : `at most ${many(plan.budget, 'host')} may be parked`;
  return [
    ...labelled(
      'Bastions',
      Object.entries(plan.bastions ?? {}).map(
        ([name, at]) => `${name} ${at.user}@${placeText(at)}${at.via === undefined ? '' : `, via ${at.via}`}`,
      ),
    ),
    ...labelled(
      'Secrets',
      Object.entries(plan.secrets).map(([name, source]) => `${name}: ${sourceText(source)}`),
    ),
    ...policyText(plan).flatMap(([label, lines]) => labelled(label, lines)),
    ...(plan.purpose === 'destroy'
      ? labelled('Data', [isErasing(plan) ? 'erased for good' : 'stays on the hosts'])
      : []),
    ...(plan.purpose === 'apply' ? labelled('Failure', [`${failure}; ${parked}`]) : []),
    ...labelled(
      'Then',
      plan.outputs.map(({ title, value }) => `${title} ${value}`),
    ),
    ...labelled('Digest', [short(digestOf(plan))]),
  ].join('\n');
}

/** Lines with a label before the first; of very many, the first ones. */
function labelled(label: string, lines: readonly string[]): readonly string[] {
  const shown = lines.length > 20 ? [...lines.slice(0, 18), `… ${lines.length - 18} more`] : lines;
  return shown.map((line, n) => `${(n === 0 ? label : '').padEnd(8)}  ${line}`);
}

function sourceText(source: SecretSource): string {
  if (source.from === 'spec') return 'from this machine, sealed for the workers';
  if (source.from === 'worker') return `${source.entry} of the workers`;
  return `made once by a worker, ${'key' in source ? 'a key pair' : `${source.length} characters`}`;
}

const roleOf = (operation: string) => operation.slice(0, operation.indexOf('.'));
