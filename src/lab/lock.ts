import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, markOfThisProcess, type ProcessMark } from './command.ts';
import { type Progress, step } from './progress.ts';

/** Does `work` while no other process holds `file`. A lock whose holder has died is taken over. */
export async function withLock<T>(file: string, progress: Progress, work: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(file), { recursive: true });
  if (!take(file)) {
    await step(progress, `waiting for another process that holds ${file}`, async () => {
      while (!take(file)) await sleep(200);
    });
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

function take(file: string): boolean {
  // Linked whole: a lock that nobody can read would never be given back.
  const own = `${file}.${process.pid}`;
  try {
    writeFileSync(own, JSON.stringify(markOfThisProcess()));
    linkSync(own, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(own, { force: true });
  }
  const holder = readHolder(file);
  if (!holder || isAlive(holder)) return false;
  rmSync(file, { force: true });
  return take(file);
}

function readHolder(file: string): ProcessMark | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as ProcessMark;
  } catch {
    return undefined; // just gone
  }
}
