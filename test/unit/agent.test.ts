import { mkdtempSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { devFiles, lendAgent } from '../../src/client/dev/state.ts';

let state: string;
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'farweave-agent-'));
});
afterEach(() => rmSync(state, { recursive: true }));

const lent = () => readlinkSync(devFiles(state).agent);

it('lends the worker of this machine the ssh agent of the latest command that has one', () => {
  lendAgent(state, '/tmp/ssh-1/agent.1');
  expect(lent()).toBe('/tmp/ssh-1/agent.1');
  lendAgent(state, '/tmp/ssh-2/agent.2');
  lendAgent(state, undefined);
  lendAgent(state, '');
  expect(lent()).toBe('/tmp/ssh-2/agent.2');
});
