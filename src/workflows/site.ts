import { setHandler } from '@temporalio/workflow';
import { Account } from './account.ts';
import type { Parting } from './activity.ts';
import {
  haltSignal,
  type Ledger,
  leaveOutSignal,
  pauseSignal,
  progressQuery,
  type RolloutState,
  resumeSignal,
  type SiteInput,
  type Undone,
} from './contract.ts';
import { Hosts } from './hosts.ts';
import { factsOf } from './ledger.ts';
import { upsert } from './report.ts';
import { survey as surveyHosts } from './survey.ts';
import { letGo } from './together.ts';
import { takeBack } from './undo.ts';

/** One segment on the hosts of one site. Always returns: what to make of a failure is the rollout's to decide. */
export async function site(input: SiteInput): Promise<Ledger> {
  const hosts = listen(input, 'rolling');
  await hosts.run();
  const { parked, stopped } = hosts.account;
  upsert({ state: stopped === undefined ? 'done' : 'failed', parked: parked.size });
  return { ...toldBy(input, hosts), settled: {} };
}

/** What is already so, on the hosts of one site. */
export async function survey(input: SiteInput): Promise<Ledger> {
  const hosts = listen(input, 'surveying');
  await surveyHosts(input, hosts.account);
  upsert({ state: 'done', parked: hosts.account.parked.size });
  return toldBy(input, hosts);
}

/** A stage is taken back on the hosts of one site; those that are `gone` have not answered before. */
export async function undoing(input: SiteInput & { readonly gone: readonly string[] }): Promise<Undone> {
  const account = new Account(input.ledger);
  const notes = { left: [], gone: new Set(input.gone) };
  const [stage] = input.stages;
  await Promise.all(input.hosts.map((host) => takeBack(input, account, stage!, host, notes)));
  const { steps, generations } = account.toJSON();
  const learnt = Object.entries(account.facts).filter(([fact, table]) => table !== account.known[fact]);
  const facts = factsOf(input.hosts, Object.fromEntries(learnt));
  upsert({ state: 'done' });
  return { steps, generations, left: notes.left, gone: [...notes.gone], ...(learnt.length > 0 && { facts }) };
}

/** A rollout lets go of the hosts of one site. What cannot be reached keeps what it has; it does no harm. */
export async function parting(input: SiteInput & { readonly parting: Parting }): Promise<void> {
  const account = new Account(input.ledger);
  await letGo(input, account, input.hosts, () => input.parting);
  upsert({ state: 'done' });
}

function listen(input: SiteInput, state: RolloutState): Hosts {
  const hosts = new Hosts(input);
  const { account } = hosts;
  setHandler(pauseSignal, () => void (hosts.paused = true), { description: 'Holds back new steps: {"by": "you"}' });
  setHandler(resumeSignal, () => void (hosts.paused = false), { description: 'Goes on: {"by": "you"}' });
  setHandler(leaveOutSignal, ({ host }) => void account.parked.add(host), {
    description: 'Sent by the rollout. Nothing more begins on a host.',
  });
  setHandler(haltSignal, () => void (account.halted = true), {
    description: 'Sent by the rollout. Begins nothing new.',
  });
  setHandler(
    progressQuery,
    () => ({
      state: hosts.paused ? 'paused' : state,
      doing: hosts.doing || 'survey',
      ...(hosts.waits && { waits: hosts.waits }),
      steps: account.toJSON().steps,
      changed: account.changed,
      parked: [...account.parked],
      problems: account.problems,
      children: [],
    }),
    { description: 'How far this site is, by step.' },
  );
  return hosts;
}

/** Facts only of its own hosts: it has learnt no others. */
function toldBy(input: SiteInput, { account }: Hosts): Ledger {
  const ledger = account.toJSON();
  return { ...ledger, facts: factsOf(input.hosts, ledger.facts) };
}
