import { type Bench, bare, type Part, Tally } from '../bench.ts';
import { delayed, type Line } from '../latency.ts';
import { lookForDrift, rollOut } from '../rollouts.ts';
import { applyOf, stepsOf } from '../work.ts';

/** Milliseconds there and back. What the second takes longer than the first is waiting and nothing else. */
const [NEAR, FAR] = [100, 300];

export const c: Part = {
  about: 'hosts behind 100 ms there and back, counted in round trips',
  run: async (bench) => {
    for (const size of bench.sizes ?? [1, 50]) {
      const hosts = await bench.hosts.first(size);
      const line = await delayed(hosts, { say: bench.say });
      try {
        bench.say(`the delay is made by ${line.by}`);
        await measured(bench, line);
      } finally {
        await line.close();
      }
    }
  },
};

/**
 * Round trips are the slope over two delays, so that what the processors take does not count. The way that a TCP
 * connection needs before SSH begins is in none of the figures: the proxy accepts at once.
 */
async function measured(bench: Bench, line: Line): Promise<void> {
  const { stand, version } = bench;
  const hosts = line.places;
  const tally = new Tally(bench, 'c', hosts.length);
  const shape = { name: `c-${hosts.length}`, hosts, key: bench.hosts.key };
  const secondsAt = async (
    milliseconds: number,
  ): Promise<readonly (readonly ['bare ssh2' | 'farweave', string, number])[]> => {
    await line.setDelay(milliseconds);
    const steps = stepsOf(version());
    const [one, ten] = [await bare(bench, hosts, ['true']), await bare(bench, hosts, steps.map(applyOf))];
    await stand.anew();
    const wanted = { ...shape, steps: stepsOf(version()) };
    const { seconds: changes } = await rollOut(stand, wanted);
    await stand.anew();
    const { seconds: converged } = await rollOut(stand, wanted);
    await stand.anew();
    const drift = await lookForDrift(stand, shape.name);
    const open = await lookForDrift(stand, shape.name);
    return [
      ['bare ssh2', 'one command', one],
      ['bare ssh2', 'ten changes', ten],
      ['farweave', 'converged', converged],
      ['farweave', 'drift', drift],
      ['farweave', 'drift, connections open', open],
      ['farweave', 'ten changes', changes],
    ];
  };
  await line.setDelay(0);
  await rollOut(stand, { ...shape, steps: stepsOf(version()) });
  const near = await secondsAt(NEAR);
  const far = await secondsAt(FAR);
  for (const [n, [subject, work, seconds]] of near.entries()) {
    tally.add(subject, `${work}, behind ${NEAR} ms`, seconds);
    tally.add(subject, `${work}: round trips`, ((far[n]![2] - seconds) * 1_000) / (FAR - NEAR), '');
  }
}
