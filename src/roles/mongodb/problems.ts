import { withoutDocker } from '../docker/index.ts';
import type { Context, Problem } from '../role.ts';
import { type Config, version } from './config.ts';
import { MOST_VOTERS, placeOf } from './health.ts';

/** What is wrong with a set of so many members, of such a version. */
export function validate(config: Config, context: Context): readonly Problem[] {
  const voters = context.on.length;
  const problem = (severity: Problem['severity'], path: string, message: string) => [
    { severity, path: [path], message },
  ];
  return [
    ...(voters > MOST_VOTERS
      ? problem('error', 'hosts', `${voters} members would vote; a replica set has at most ${MOST_VOTERS} voters`)
      : []),
    ...(voters <= MOST_VOTERS && voters % 2 === 0 && voters > 0
      ? problem(
          'warning',
          'hosts',
          `${voters} voters survive the loss of no more hosts than ${voters - 1} would: a majority of ${voters} is ${voters / 2 + 1}. Use an odd number`,
        )
      : []),
    ...(typeof config.writeConcern === 'number' && config.writeConcern > voters
      ? problem('error', 'writeConcern', `${config.writeConcern} members cannot have a write: there are ${voters}`)
      : []),
    ...versionProblems(config),
    ...withoutDocker(context),
  ];
}

function versionProblems(config: Config): readonly Problem[] {
  const found = version(config);
  if (found === undefined) {
    return [{ severity: 'error', path: ['version'], message: `cannot be told from the image ${config.image}: say it` }];
  }
  const [major = 0, minor = 0] = found.split('.').map(Number);
  const error = (path: string, message: string): Problem => ({ severity: 'error', path: [path], message });
  const isSupported = (major === 4 && minor >= 4) || (major >= 5 && major <= 8);
  if (!isSupported) return [error('image', `MongoDB ${found} is none of 4.4 to 8`)];
  const { featureCompatibility: format = found } = config;
  const [used = 0, runs = 0] = [placeOf(format), placeOf(found)];
  if (used > runs)
    return [error('featureCompatibility', `MongoDB ${found} does not know the data format of ${format}`)];
  const isRead = Math.floor(used) >= Math.floor(runs) - 1;
  return isRead ? [] : [error('featureCompatibility', `MongoDB ${found} cannot read the data format of ${format}`)];
}
