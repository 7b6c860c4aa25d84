import type { Connection } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import { SEARCH_ATTRIBUTES } from '../workflows/contract.ts';

/** `temporal.api.enums.v1.IndexedValueType`. */
const TYPES = { KEYWORD: 2, INT: 3 } as const;

/** Makes the server know our search attributes, without which no workflow could start. Harmless when it knows them. */
export async function registerSearchAttributes(
  connection: Pick<Connection | NativeConnection, 'operatorService'>,
  namespace: string,
): Promise<void> {
  const searchAttributes = Object.fromEntries(
    Object.entries(SEARCH_ATTRIBUTES).map(([name, type]) => [name, TYPES[type]]),
  );
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  if (Object.keys(searchAttributes).every((name) => customAttributes?.[name] !== undefined)) return;
  await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
}
