import * as z from 'zod';
import {
  type Command,
  digest,
  holds,
  type Output,
  type Script,
  script,
  sh,
  type Text,
  text,
  writing,
} from '../ssh/command.ts';
import { no, operation, unknown, type Verdict, yes } from './operation.ts';

/** A container as it should be. Everything here goes into its digest: with anything else it is made anew. */
export interface Container {
  readonly name: string;
  readonly role: string;
  /** Under `/etc/farweave`, where its recipe lies; its role's, unless the role has several containers on a host. */
  readonly folder?: string;
  readonly cluster: string;
  readonly image: string;
  /** For `docker run`, beside those that every container of a cluster has. */
  readonly flags: readonly string[];
  readonly command: readonly string[];
  /** Contents of the files that it reads when it starts. */
  readonly reads: Text;
  /** Seconds that it may take to stop. */
  readonly stop: number;
}

/** Prints the image's id if the host has it. A machine without Docker has no image, which is an answer. */
export function findingImage(image: string): Command {
  return sh`if command -v docker > /dev/null; then docker images --quiet --no-trunc ${image}; fi`;
}

/** What {@link findingImage} found. */
export function judgeImage({ exitCode, stdout, stderr }: Output, image: string): Verdict {
  if (exitCode !== 0) return unknown(lastLine(stderr) || 'Docker does not answer');
  return stdout.trim() === '' ? no('not on this host', image) : yes();
}

/** Prints the digest that a container should have, and state and digest of the one that is there. */
export function findingContainer(container: Container): Command {
  const format = `found {{.State}} {{.Label "${DIGEST}"}}`;
  return sh`printf 'wanted %s\n' ${digestOf(container)}
if command -v docker > /dev/null; then docker ps --all --filter ${named(container.name)} --format ${format}; fi`;
}

/** What {@link findingContainer} found. */
export function judgeContainer({ exitCode, stdout, stderr }: Output): Verdict {
  if (exitCode !== 0) return unknown(lastLine(stderr) || 'Docker does not answer');
  const wanted = /^wanted (\S+)$/m.exec(stdout)?.[1];
  const [, state, digest] = /^found (\S+) ?(\S*)$/m.exec(stdout) ?? [];
  if (wanted === undefined) return unknown('the probe said nothing');
  if (state === undefined) return no('absent', 'running');
  if (digest !== wanted) return no(`${state}, made from something else`, `running, made from ${wanted.slice(0, 12)}`);
  return state === 'running' ? yes() : no(state, 'running');
}

/**
 * Makes a container run that was made from exactly this: starts the one that is there, or puts a new one in its place.
 * How it was made stays on the host as a recipe, whose before-image makes the old container again on undo.
 */
export function makingContainer(container: Container): Script {
  const path = recipePath(container);
  return script(writing(path, recipe(container), { mode: '0700' }), sh`sh ${path}`);
}

/** After an undo has put the recipe back: what it makes, or nothing if there was none. */
export function remakingContainer(container: Pick<Container, 'name' | 'role' | 'folder' | 'stop'>): Script {
  const { name, stop } = container;
  const path = recipePath(container);
  return script(sh`if [ -f ${path} ]; then sh ${path}; else ${removing(name, stop)}; fi`);
}

/** Prints the name of a container that runs. */
export function findingRunning(name: string): Command {
  return sh`if command -v docker > /dev/null; then docker ps --filter ${named(name)} --format '{{.Names}}'; fi`;
}

/** What {@link findingRunning} found where nothing is to run. */
export function judgeStopped({ exitCode, stdout, stderr }: Output): Verdict {
  if (exitCode !== 0) return unknown(lastLine(stderr) || 'Docker does not answer');
  return stdout.trim() === '' ? yes() : no('running', 'stopped');
}

/** It stays stopped until somebody starts it, whatever its restart policy. */
export const stopping = (name: string, seconds: number): Script => script(sh`docker stop -t ${seconds} ${name}`);

/** Undoes {@link stopping}. */
export const startingAgain = (name: string): Script =>
  script(sh`if [ -n "$(docker ps --all --quiet --filter ${named(name)})" ]; then docker start ${name}; fi`);

/** What an undo of a pull leaves: images that something uses stay. */
export function droppingImage(image: string): Script {
  return script(sh`docker image rm ${image} || echo 'left: something uses it'`);
}

/** A state of a host: it has this image. Undone by dropping it. */
export const imagePulled = (name: `${string}.${string}`) =>
  operation(name, z.object({ image: z.string() }), {
    timeout: 1_800_000,
    publishes: [],
    undo: (_, { image }) => droppingImage(image),
    probe: (_, { image }) => findingImage(image),
    judge: (output, _, { image }) => judgeImage(output, image),
    apply: (_, { image }) => script(sh`docker pull ${image}`),
  });

/** Prints mode and owner of a file that may hold secrets, then `held` if its content is as wanted. */
export function findingFile(path: string, content: Text): Command {
  return sh`stat -c '%a %u:%g' ${path} 2> /dev/null || echo none; if ${holds(path, content)}; then echo held; fi`;
}

/** What {@link findingFile} found; `wanted` such as `600 1001:1001`. */
export function judgeFile({ stdout }: Output, wanted: string): Verdict {
  const [found, held] = stdout.split('\n');
  if (found === 'none' || found === undefined) return no('absent', `mode and owner ${wanted}`);
  if (held !== 'held') return no('other content', 'the content that follows from cluster.yaml');
  return found === wanted ? yes() : no(`mode and owner ${found}`, wanted);
}

const DIGEST = 'farweave.digest';

/** For `docker exec`, which hands no signal on: what it runs carries the mark of its job, and is ended with it. */
export const COOKIE = ['--env', 'FARWEAVE_JOB'];

/** The filter is a regular expression over names with a slash before them. */
export const named = (name: string) => `name=^/?${name}$`;

export const lastLine = (text: string) => text.trim().split('\n').at(-1) ?? '';

const recipePath = ({ role, folder = role }: Pick<Container, 'role' | 'folder'>) =>
  `/etc/farweave/${folder}/container.sh`;

const digestOf = ({ image, flags, command, reads }: Container) =>
  digest(text`${JSON.stringify([image, flags, command])}${reads}`);

/** Stops and removes a container, where there is one. */
export const removing = (name: string, stop: number): Command =>
  sh`if [ -n "$(docker ps --all --quiet --filter ${named(name)})" ]; then docker stop -t ${stop} ${name}; docker rm --force --volumes ${name}; fi`;

function recipe(container: Container): Text {
  const { name, role, cluster, image, flags, command, stop } = container;
  const made = digestOf(container);
  const labels = [`--label=farweave.cluster=${cluster}`, `--label=farweave.role=${role}`];
  const run = sh`docker run --detach --name ${name} --restart unless-stopped ${labels} --label "${raw(DIGEST)}=$digest" ${flags} ${image} ${command}`;
  return text`#!/bin/sh
# How Farweave made the container ${name}. Run it to have it again: what runs already is left alone.
set -eu
digest=${made}
if [ -n "$(docker ps --all --quiet --filter ${sh`${named(name)}`.text} --filter "label=${DIGEST}=$digest")" ]; then
  docker start ${name}
else
  ${removing(name, stop).text}
  ${run.text}
fi
`;
}

const raw = (words: string): Command => ({ text: words });

/** The version that an image's tag begins with, such as `4.4.2`, unless it was said. */
export function versionOf(image: string, said?: string): string | undefined {
  return said ?? /:v?(\d+(?:\.\d+)*)(?:[-+_][\w.-]*)?$/.exec(image.split('@')[0]!.split('/').at(-1)!)?.[1];
}
