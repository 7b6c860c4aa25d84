import { readFileSync, writeFileSync } from 'node:fs';
import proto from '@temporalio/proto';

const { History } = proto.temporal.api.history.v1;
export type History = proto.temporal.api.history.v1.IHistory;

/** Writes a history as JSON, without what it tells of the machine that recorded it. */
export function writeHistory(path: string, history: History): void {
  const plain = History.toObject(History.fromObject(history), { longs: String, enums: String, bytes: String });
  const anonymous = (key: string, value: unknown) =>
    key === 'identity' ? 'worker' : key === 'stackTrace' ? '' : value;
  writeFileSync(path, `${JSON.stringify(plain, anonymous, 1)}\n`);
}

/** Not with the SDK's own reader: it fails where two copies of protobufjs are installed. */
export function readHistory(path: string): History {
  return History.fromObject(JSON.parse(readFileSync(path, 'utf8')));
}
