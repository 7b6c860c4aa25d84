import type { Command } from 'commander';
import type { Run } from '../command.ts';

export function addLab(_program: Command, _run: Run): void {}
