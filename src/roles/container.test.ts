import { describe, expect, it, test } from 'vitest';
import { text } from '../ssh/command.ts';
import {
  type Container,
  findingContainer,
  judgeContainer,
  judgeFile,
  judgeImage,
  makingContainer,
  remakingContainer,
  versionOf,
} from './container.ts';

const container: Container = {
  name: 'node0',
  role: 'mongodb',
  cluster: 'demo',
  image: 'mongo:8.0.17',
  flags: ['--network=farweave'],
  command: ['mongod', '--replSet', "it's"],
  reads: text`key`,
  stop: 60,
};
const said = (stdout: string, exitCode = 0, stderr = '') => ({ exitCode, stdout, stderr });

test.each([
  ['the version of a tag', 'mongo:4.4.29', '4.4.29'],
  ['a tag without a patch', 'mongo:8.0', '8.0'],
  ['what follows the version', 'mongo:7.0.28-jammy', '7.0.28'],
  ['a v before it', 'registry.example/x/nodebb:v4.11.2', '4.11.2'],
  ['the port of a registry as none', 'registry.example:5000/mongo', undefined],
  ['a name as none', 'mongo:latest', undefined],
  ['no tag as none', 'mongo', undefined],
  ['the tag before a digest', `mongo:4.4.2@sha256:${'0'.repeat(64)}`, '4.4.2'],
])('takes %s', (_, image, version) => {
  expect(versionOf(image)).toBe(version);
});

it('takes the version that is said over the one in the tag', () => {
  expect(versionOf('mongo:latest', '8.0')).toBe('8.0');
});

describe('a container', () => {
  test.each([
    ['runs as it should', 'wanted aa\nfound running aa\n', { is: 'yes' }],
    ['is not there', 'wanted aa\n', { is: 'no', now: 'absent' }],
    ['was stopped', 'wanted aa\nfound exited aa\n', { is: 'no', now: 'exited' }],
    ['ends again and again', 'wanted aa\nfound restarting aa\n', { is: 'no', now: 'restarting' }],
    ['was made from something else', 'wanted aa\nfound running bb\n', { now: 'running, made from something else' }],
    ['was made by somebody else', 'wanted aa\nfound running \n', { now: 'running, made from something else' }],
    ['cannot be asked for', '', { is: 'unknown' }],
  ])('%s', (_, stdout, verdict) => {
    expect(judgeContainer(said(stdout))).toMatchObject(verdict);
  });

  it('is not taken for absent where Docker does not answer', () => {
    const output = said('wanted aa\n', 1, 'Cannot connect to the Docker daemon');
    expect(judgeContainer(output)).toEqual({ is: 'unknown', why: 'Cannot connect to the Docker daemon' });
  });

  const digestOf = (value: Container) => Object.keys(findingContainer(value).variables ?? {});

  test.each<[string, Partial<Container>]>([
    ['image', { image: 'mongo:8.0.18' }],
    ['flags', { flags: ['--network=other'] }],
    ['command', { command: ['mongod'] }],
    ['what it reads', { reads: text`other` }],
  ])('has another digest with another %s', (_, change) => {
    expect(digestOf({ ...container, ...change })).not.toEqual(digestOf(container));
  });

  it('keeps its digest where nothing of it differs', () => {
    expect(digestOf({ ...container })).toEqual(digestOf(container));
  });

  it('is made from a recipe on the host, whose before-image makes the old one again', () => {
    const script = makingContainer(container);
    expect(script.saves).toEqual(['/etc/farweave/mongodb/container.sh']);
    expect(script.text).toContain(`--label "farweave.digest=$digest"`);
    // Quoted twice: for the recipe, and for the command that writes it.
    expect(script.text).toContain(`'\\''it'\\''\\'\\'''\\''s'\\''`);
    expect(remakingContainer(container).text).toContain('if [ -f /etc/farweave/mongodb/container.sh ]; then sh');
  });
});

test.each([
  ['is there', said('sha256:1\n'), 'yes'],
  ['is not there', said(''), 'no'],
  ['cannot be asked for', said('', 1, 'permission denied'), 'unknown'],
])('an image %s', (_, output, is) => {
  expect(judgeImage(output, 'mongo:8.0').is).toBe(is);
});

test.each([
  ['is as wanted', '600 0:0\nheld\n', { is: 'yes' }],
  ['is absent', 'none\n', { is: 'no', now: 'absent' }],
  ['has other content', '600 0:0\n', { is: 'no', now: 'other content' }],
  ['can be read by others', '644 0:0\nheld\n', { is: 'no', now: 'mode and owner 644 0:0' }],
])('a file %s', (_, stdout, verdict) => {
  expect(judgeFile(said(stdout), '600 0:0')).toMatchObject(verdict);
});
