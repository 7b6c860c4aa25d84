import * as z from 'zod';
import { script, sh, writing } from '../../ssh/command.ts';
import {
  droppingImage,
  findingContainer,
  findingImage,
  findingRunning,
  judgeContainer,
  judgeImage,
  judgeStopped,
  lastLine,
  makingContainer,
  named,
  remakingContainer,
  startingAgain,
  stopping,
} from '../container.ts';
import { no, operation, same, yes } from '../operation.ts';
import { configOf, findingConfig, isConfigured, judgeConfig } from './config-json.ts';
import { containerOf, STOP } from './container.ts';
import {
  buildFolder,
  CONFIG_PATH,
  Forum,
  frontOf,
  makingFolders,
  modulesVolume,
  mounts,
  NAME,
  traits,
  visiting,
} from './forum.ts';

export const pulled = operation('nodebb.pulled', z.object({ image: z.string(), version: z.string() }), {
  timeout: 1_800_000,
  publishes: [],
  undo: (_, { image }) => script(sh`docker volume rm --force ${modulesVolume({ image })} || :`, droppingImage(image)),
  probe: (_, forum) => {
    const volume = modulesVolume(forum);
    const kept = sh`if ! docker volume inspect ${volume} > /dev/null 2>&1; then echo 'no modules'; fi`;
    return traits(forum).builds ? sh`${findingImage(forum.image)} && ${kept}` : findingImage(forum.image);
  },
  judge: (output, _, { image }) => {
    const verdict = judgeImage(output, image);
    return verdict.is === 'yes' && output.stdout.includes('no modules') ? no('without its modules', image) : verdict;
  },
  apply: (_, forum) => {
    const { image } = forum;
    const volume = modulesVolume(forum);
    const copy = [
      // What another image of this name may have left.
      sh`docker volume rm --force ${volume} > /dev/null`,
      sh`docker run --rm --network none --mount type=volume,source=${volume},target=/usr/src/app/node_modules --entrypoint true ${image}`,
    ];
    const pull = sh`[ -n "$(docker images --quiet ${image})" ] || docker pull ${image}`;
    return script(pull, ...(traits(forum).builds ? copy : []));
  },
});

export const config = operation('nodebb.config', Forum, {
  brief: true,
  publishes: [],
  undo: 'restore',
  // By then the container of before runs again, with what stood here.
  restored: (host, forum) =>
    script(
      sh`if [ -f ${CONFIG_PATH} ] && [ -n "$(docker ps --quiet --filter ${named(NAME)})" ] && ! ${isConfigured(host, forum)}; then docker restart -t ${STOP} ${NAME}; fi`,
    ),
  probe: (host, forum) => findingConfig(host, forum),
  judge: (output, _, forum) => judgeConfig(output, forum),
  apply: (host, forum) => writing(CONFIG_PATH, configOf(host, forum), { mode: '0600', owner: forum.user }),
});

/** From the plugins that the database names, hence after set-up; on each host, since each serves its own assets. */
export const build = operation('nodebb.build', Forum, {
  timeout: 1_200_000,
  publishes: [],
  undo: (_, forum) => script(sh`rm -rf ${buildFolder(forum)} ${built(forum)}`),
  probe: (_, forum) =>
    sh`if command -v docker > /dev/null; then ${imageId(forum)} || :; cat ${built(forum)} 2> /dev/null || echo none; fi`,
  judge: ({ stdout }) => {
    const [image = '', from = 'none'] = stdout.trim().split('\n');
    return from === 'none' ? no('no assets', 'assets of this image') : same(from, image);
  },
  apply: (host, forum) =>
    script(
      makingFolders(forum),
      sh`rm -f ${built(forum)}`,
      sh`docker rm --force --volumes nodebb-build > /dev/null 2>&1 || :`,
      sh`docker run --rm --name nodebb-build ${visiting(forum)} ${mounts(forum).filter((mount) => !mount.includes('node_modules'))} --entrypoint node ${forum.image} nodebb build`,
      // It ends with 0 whatever became of it: this file is what it writes last.
      sh`[ -s ${buildFolder(forum)}/cache-buster ]`,
      sh`${imageId(forum)} > ${built(forum)}.farweave-new`,
      sh`mv -f ${built(forum)}.farweave-new ${built(forum)}`,
    ),
});

export const start = operation('nodebb.start', Forum, {
  publishes: [],
  // A container that was made from something else is stopped first.
  disrupts: true,
  undo: 'restore',
  restored: (host, forum) => remakingContainer(containerOf(host, forum)),
  probe: (host, forum) => findingContainer(containerOf(host, forum)),
  judge: (output) => judgeContainer(output),
  apply: (host, forum) => script(makingFolders(forum), makingContainer(containerOf(host, forum))),
});

/** Readers go elsewhere: what is under way has {@link STOP} seconds to end. */
export const stopped = operation('nodebb.stopped', z.object({}), {
  publishes: [],
  halts: true,
  undo: () => startingAgain(NAME),
  probe: () => findingRunning(NAME),
  judge: (output) => judgeStopped(output),
  apply: () => stopping(NAME, STOP),
});

/** As readers see it, asked from outside. `/ping` would not do: a NodeBB that was never set up answers it as well. */
export const serving = operation('nodebb.serving', Forum.pick({ url: true, port: true }), {
  kind: 'check',
  publishes: [],
  timeout: 300_000,
  probe: (host, forum) => ({ get: `${frontOf(host, forum)}/` }),
  judge: ({ exitCode, stdout, stderr }) => {
    const wanted = '200 from NodeBB';
    if (exitCode !== 0) return no(lastLine(stderr) || 'no answer', wanted);
    const [status = ''] = stdout.split('\n');
    if (!/^HTTP\/\S+ 200\b/.test(status)) return no(status.trim(), wanted);
    return /^x-powered-by:\s*NodeBB\s*$/im.test(stdout) ? yes() : no('200 from something else', wanted);
  },
});

const built = (forum: Pick<Forum, 'image'>) => `${buildFolder(forum)}.built`;

const imageId = ({ image }: Pick<Forum, 'image'>) => sh`docker image inspect --format '{{.Id}}' ${image}`;
