import { script, sh } from '../../ssh/command.ts';
import { startingAgain, stopping } from '../container.ts';
import { no, operation, unknown, yes } from '../operation.ts';
import { STOP } from './container.ts';
import { Forum, makingFolders, mounts, NAME, traits, visiting } from './forum.ts';
import { judging, looking, runsFrom } from './look.ts';

/**
 * NodeBB of another version does not run while its schema is changed under it: to the one it would be as if its data were
 * broken, and what it writes would be lost to the other. Where the new image changes nothing of the schema, all go on.
 */
export const paused = operation('nodebb.paused', Forum, {
  publishes: [],
  halts: true,
  undo: () => startingAgain(NAME),
  probe: (_, forum) => looking(forum),
  judge: (output, _, { image }) => {
    const runs = runsFrom(output);
    if (runs === undefined || runs === image) return yes();
    return judging(output, ({ pending }) => {
      if (pending === undefined) return unknown(`only ${image} can tell whether it changes the schema`);
      return pending === 0 ? yes() : no(`${runs} serves`, `stopped for ${changes(pending)}`);
    });
  },
  apply: () => stopping(NAME, STOP),
});

/** What plugins bring while the forum runs is up to the host that runs the jobs, when that starts the next time. */
export const schema = operation('nodebb.schema', Forum, {
  publishes: [],
  timeout: 3_600_000,
  undo: { irreversible: 'NodeBB knows no way back to an older schema' },
  probe: (_, forum) => looking(forum),
  judge: (output, _, { image }) => {
    if (runsFrom(output) === image) return yes();
    return judging(output, ({ pending }) => {
      if (pending === undefined) return no('no forum', 'one with the schema of its image');
      return pending === 0 ? yes() : no(`${changes(pending)} to come`, 'the schema of its image');
    });
  },
  apply: (_, forum) =>
    script(
      makingFolders(forum),
      sh`docker rm --force --volumes nodebb-schema > /dev/null 2>&1 || :`,
      sh`docker run --rm --name nodebb-schema ${visiting(forum)} ${mounts(forum).filter((mount) => !mount.includes('node_modules'))} --entrypoint node ${forum.image} ${upgrading(forum)}`,
    ),
});

/** It ends with 0 whatever became of it: the database is asked afterwards. */
const upgrading = (forum: Forum) => (traits(forum).modern ? ['nodebb', 'upgrade', '-s'] : ['app.js', '--upgrade']);

const changes = (count: number) => `${count} change${count === 1 ? '' : 's'} of the schema`;
