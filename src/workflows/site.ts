import { setHandler } from '@temporalio/workflow';
import {
  haltSignal,
  type Ledger,
  leaveOutSignal,
  pauseSignal,
  progressQuery,
  type RolloutState,
  resumeSignal,
  type SiteInput,
} from './contract.ts';
import { Hosts } from './hosts.ts';
import { factsOf } from './ledger.ts';
import { upsert } from './report.ts';
import { survey as surveyHosts } from './survey.ts';

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
