import { type Lab, status } from '../../../lab/index.ts';
import { type At, writeJson } from '../../command.ts';
import { Failure } from '../../errors.ts';
import { table } from '../../format.ts';

/** The lab that is up. */
export async function current(): Promise<Lab> {
  const found = await status();
  if (!found) throw new Failure('The lab is not up.', { hint: 'farweave lab up brings it up.' });
  return found;
}

/** Hosts and where they are, as text or JSON. */
export function show(at: At, { hosts, ...rest }: Lab): void {
  if (at.global.json) {
    writeJson(at, { ...rest, hosts });
    return;
  }
  const rows = hosts.map(({ name, site, sshAddress, port, release, state }) => [
    name,
    site,
    `${sshAddress}:${port}`,
    release,
    state,
  ]);
  const { registry, delayMs, lossPercent, partitions, source, engine } = rest;
  at.io.out.write(
    `${[
      ...table(rows),
      '',
      ...table([
        ['Login', 'vagrant / vagrant, sudo with the same password'],
        ['Registry', `${registry} (images ${source === 'published' ? 'as published' : 'built from packages'})`],
        ['Line', `${delayMs} ms each way between data centers${lossPercent > 0 ? `, ${lossPercent} % lost` : ''}`],
        ...partitions.map((ends) => ['Cut', ends.join(' | ')]),
        ...(engine ? [['Engine', `DOCKER_HOST=${engine}`]] : []),
      ]),
    ].join('\n')}\n`,
  );
}
