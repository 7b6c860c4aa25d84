import * as z from 'zod';
import type { HostSpec } from '../../plan/plan.ts';
import { type Command, holds, type Output, script, sh, words, writing } from '../../ssh/command.ts';
import {
  findingContainer,
  imagePulled,
  judgeContainer,
  lastLine,
  makingContainer,
  remakingContainer,
  removing,
} from '../container.ts';
import { foldersErased } from '../folders-erased.ts';
import { no, operation, unknown, type Verdict, yes } from '../operation.ts';
import { containerOf, DATA, FOLDER, filesOf, folderOf, makingFolders, OWN, ROLE, Service } from './service.ts';

/** Service → names of the hosts that it is for; null: wherever it is. */
const Placed = z.object({ cluster: z.string(), services: z.record(z.string(), z.array(z.string()).nullable()) });
type Placed = z.infer<typeof Placed>;

/** A container that somebody else made under the name of a service is not ours to replace. */
export const unclaimed = operation('container.unclaimed', Placed, {
  kind: 'preflight',
  brief: true,
  publishes: [],
  probe: () => listing(['--format={{.Names}} {{.Label "farweave.cluster"}}/{{.Label "farweave.role"}}']),
  judge: (output, host, args) =>
    judging(output, (lines) => {
      const foreign = lines
        .map((line) => line.split(' '))
        .filter(([name = '', owner]) => isFor(args, name, host.name) && owner !== `${args.cluster}/${ROLE}`)
        .map(([name = '']) => name);
      return foreign.length === 0
        ? yes()
        : no(
            `${foreign.join(', ')} of somebody else`,
            `no container of that name: call the service otherwise, or remove it (docker rm --force ${foreign[0]})`,
          );
    }),
});

/** Containers of services that the cluster no longer has, or no longer on this host. Their data stays. */
export const cleared = operation('container.cleared', Placed, {
  publishes: [],
  timeout: 600_000,
  undo: 'restore',
  restored: () => sh`for recipe in ${FOLDER}/*/container.sh; do if [ -f "$recipe" ]; then sh "$recipe"; fi; done`,
  probe: (_, { cluster }) => ours(cluster),
  judge: (output, host, args) =>
    judging(output, (names) => {
      const stray = names.filter((name) => !isFor(args, name, host.name));
      return stray.length === 0 ? yes() : no(`${stray.join(', ')} still there`, 'only what is for this host');
    }),
  apply: (host, args) => ({
    ...script(
      sh`keep=${` ${Object.keys(args.services)
        .filter((name) => isFor(args, name, host.name))
        .join(' ')} `}`,
      sh`${ours(args.cluster)} | while read -r name; do
  case "$keep" in *" $name "*) continue ;; esac
  echo "removing $name"
  docker stop "$name" && docker rm --force --volumes "$name" && rm -rf ${FOLDER}/"$name"
done`,
    ),
    saves: [FOLDER],
  }),
});

export const pulled = imagePulled('container.pulled');

/** The container with all that it reads, in one: taken back alone, its files would belong to another container. */
export const start = operation('container.start', Service, {
  publishes: [],
  timeout: 300_000,
  // A container that was made from something else is stopped first.
  disrupts: true,
  undo: 'restore',
  // What was put back may be read at the start only.
  restored: (host, service) => {
    const container = containerOf(host, service);
    return script(removing(container.name, container.stop), remakingContainer(container));
  },
  probe: (host, service) =>
    sh`if ! { ${holdingAll(host, service)}; }; then echo 'edited'; fi
${findingContainer(containerOf(host, service))}`,
  judge: (output) => {
    const verdict = judgeContainer(output);
    const isEdited = verdict.is === 'yes' && output.stdout.startsWith('edited\n');
    return isEdited ? no('running, with files that were edited', 'what follows from cluster.yaml') : verdict;
  },
  apply: (host, service) => {
    const [environment, ...files] = filesOf(host, service);
    const { name, stop } = service;
    return script(
      // A variable ends with its line: the rest of a secret would become variables of its own.
      sh`if [ "$(printf %s ${words(environment!.content)} | wc -l)" -ne ${Object.keys(service.env).length + OWN} ]; then
  echo 'a secret of env has more than one line: give it as one of files' >&2; exit 1
fi`,
      sh`install -d -m 0700 ${FOLDER} ${folderOf(service)}`,
      makingFolders(service),
      // A file that is written anew is not the one that the container has mounted.
      sh`if ! { ${holdingAll(host, service)}; }; then ${removing(name, stop)}; fi`,
      writing(environment!.path, environment!.content, { mode: '0600' }),
      // Whoever runs the container must be able to read them; the folder above keeps others of the host away.
      ...files.map(({ path, content }) => writing(path, content)),
      makingContainer(containerOf(host, service)),
    );
  },
});

/** Without services there may still be what they have left. */
export const erased = foldersErased('container.erased', [DATA]);

/** Exit code 0 where every file is as it should be. */
function holdingAll(host: HostSpec, service: Service): Command {
  const [first, ...others] = filesOf(host, service).map(({ path, content }) => holds(path, content));
  return others.reduce((all, one) => sh`${all} && ${one}`, first!);
}

const isFor = ({ services }: Placed, name: string, host: string) =>
  Object.hasOwn(services, name) && (services[name]?.includes(host) ?? true);

const ours = (cluster: string) =>
  listing([
    `--filter=label=farweave.cluster=${cluster}`,
    `--filter=label=farweave.role=${ROLE}`,
    '--format={{.Names}}',
  ]);

const listing = (flags: readonly string[]) => sh`if command -v docker > /dev/null; then docker ps --all ${flags}; fi`;

function judging({ exitCode, stdout, stderr }: Output, judge: (lines: readonly string[]) => Verdict): Verdict {
  if (exitCode !== 0) return unknown(lastLine(stderr) || 'Docker does not answer');
  return judge(stdout.split('\n').filter(Boolean));
}
