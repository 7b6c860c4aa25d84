import * as z from 'zod';
import { script, secret, sh, text, writing } from '../../ssh/command.ts';
import {
  findingContainer,
  findingFile,
  imagePulled,
  judgeContainer,
  judgeFile,
  makingContainer,
  remakingContainer,
} from '../container.ts';
import { no, operation, unknown, yes } from '../operation.ts';
import { containerOf, KEY_PATH, KEY_SECRET, Member, OWNER } from './member.ts';
import { succeeded } from './script.ts';
import { DATA } from './shell.ts';

/** MongoDB 5.0 and later end with SIGILL on processors without these. */
const INSTRUCTIONS: Readonly<Record<string, string>> = { x86_64: 'avx', aarch64: 'atomics' };

export const cpu = operation('mongodb.cpu', z.object({ version: z.string() }), {
  kind: 'preflight',
  brief: true,
  publishes: [],
  probe: () => sh`uname -m; grep -owE -m 1 'avx|atomics' /proc/cpuinfo | head -n 1`,
  judge: ({ stdout }, _, { version }) => {
    const [machine = '', found = ''] = stdout.split('\n');
    if (machine === '') return unknown('the machine does not say what it is');
    const needed = INSTRUCTIONS[machine];
    if (Number.parseInt(version, 10) < 5 || needed === undefined || found === needed) return yes();
    return no(
      `a processor without ${needed.toUpperCase()}`,
      `one with it for MongoDB ${version}, or roles.mongodb.image: mongo:4.4.29`,
    );
  },
});

export const pulled = imagePulled('mongodb.pulled');

const key = text`${secret(KEY_SECRET)}`;

/** What the members know each other by. */
export const keyFile = operation('mongodb.keyFile', z.object({}), {
  brief: true,
  publishes: [],
  undo: 'restore',
  probe: () => findingFile(KEY_PATH, key),
  judge: (output) => judgeFile(output, `400 ${OWNER}`),
  apply: () => writing(KEY_PATH, key, { mode: '0400', owner: OWNER }),
});

/** A member to be made, and whether another must be able to succeed it first. Plans of older releases do not say. */
const Started = Member.extend({ handsOver: z.boolean().exactOptional() });

export const start = operation('mongodb.start', Started, {
  publishes: [],
  // A container that was made from something else is stopped first.
  disrupts: true,
  timeout: 300_000,
  undo: 'restore',
  // On the way back, whether there is a successor or not.
  restored: (host, member) =>
    script(
      ...(member.handsOver ? [sh`${succeeded(host, member)} || :`] : []),
      remakingContainer(containerOf(host, member)),
    ),
  probe: (host, member) => findingContainer(containerOf(host, member)),
  judge: (output) => judgeContainer(output),
  apply: (host, member) =>
    script(
      sh`install -d -m 0700 -o ${uid} -g ${gid} ${DATA}`,
      ...(member.handsOver ? [succeeded(host, member)] : []),
      makingContainer(containerOf(host, member)),
    ),
});

const [uid = '', gid = ''] = OWNER.split(':');
