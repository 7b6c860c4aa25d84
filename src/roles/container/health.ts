import * as z from 'zod';
import { type Command, type Output, sh } from '../../ssh/command.ts';
import { COOKIE, lastLine } from '../container.ts';
import { networkArgs } from '../network.ts';
import { no, operation, unknown, type Verdict, yes } from '../operation.ts';
import { addressOf } from './service.ts';

/** How a service is asked whether it is well. With none of the three it is enough that it goes on running. */
export const Health = z.object({
  name: z.string(),
  slot: z.number(),
  network: networkArgs,
  http: z.object({ port: z.number(), path: z.string(), status: z.number().exactOptional() }).exactOptional(),
  tcp: z.number().exactOptional(),
  command: z.array(z.string()).exactOptional(),
  /** Milliseconds between two looks. */
  interval: z.number(),
});
export type Health = z.infer<typeof Health>;

/** Seconds that a container must have run: one that ends at once is started again and again. */
const STEADY = 3;
/** Seconds for one answer. */
const PATIENCE = { connection: 5, command: 10 } as const;

export const healthy = operation('container.healthy', Health, {
  kind: 'check',
  publishes: [],
  interval: ({ interval }) => interval,
  probe: (host, health) => {
    const { name } = health;
    return sh`if ! command -v docker > /dev/null; then echo state absent; exit 0; fi
state=$(docker inspect --type container --format '{{.State.Status}} {{.State.StartedAt}}' ${name} 2> /dev/null) || state=absent
echo "state $state $(date -u +%s)"
case $state in running*) ${asking(addressOf(host, health), health)} ;; esac`;
  },
  judge: (output, _, health) => judgeHealth(output, health),
});

/** Prints a line that begins with `says`. Runs where the container does. */
function asking(address: string, { name, http, tcp, command }: Health): Command {
  if (http) {
    const url = `http://${address}:${http.port}${http.path}`;
    return sh`echo "says $(curl --silent --output /dev/null --max-time ${PATIENCE.connection} --write-out '%{http_code}' ${url})"`;
  }
  if (tcp !== undefined) {
    return sh`if timeout ${PATIENCE.connection} bash -c ${': < "/dev/tcp/$0/$1"'} ${address} ${tcp} 2> /dev/null; then echo says open; else echo says closed; fi`;
  }
  if (command) {
    return sh`said=$(timeout ${PATIENCE.command} docker exec ${COOKIE} ${name} ${command} 2>&1); code=$?
printf '%s\n' "$said" | tail -n 1 | cut -c 1-200; echo "says $code"`;
  }
  return sh`:`;
}

function judgeHealth({ exitCode, stdout, stderr }: Output, { http, tcp, command }: Health): Verdict {
  const [, state = '', more = ''] = /^state (\S+) ?(.*)$/m.exec(stdout) ?? [];
  if (exitCode !== 0 || state === '') return unknown(lastLine(stderr) || 'Docker does not answer');
  if (state !== 'running') return no(state, 'running');
  const says = /^says (.*)$/m.exec(stdout)?.[1] ?? '';
  if (http) {
    const isWell = http.status === undefined ? /^[23]\d\d$/.test(says) : says === String(http.status);
    const now = says === '000' || says === '' ? 'no answer' : `answers ${says}`;
    return isWell ? yes() : no(now, `${http.status ?? '200 to 399'} from ${http.path} on port ${http.port}`);
  }
  if (tcp !== undefined)
    return says === 'open' ? yes() : no(`port ${tcp} takes no connections`, 'it takes connections');
  if (command) {
    const told = stdout.split('\n').findLast((line) => line !== '' && !/^(?:state|says) /.test(line));
    return says === '0' ? yes() : no(told ?? `exit code ${says}`, `exit code 0 of ${command.join(' ')}`);
  }
  const [started = '', now = ''] = more.split(' ');
  const age = Number(now) - Date.parse(started) / 1000;
  return age >= STEADY ? yes() : no('just started', `running for ${STEADY} seconds`);
}
