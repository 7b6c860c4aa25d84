import type { Engine } from './engine.ts';

export const labelOf = (id: string): string => `farweave.lab=${id}`;
export const networkOf = (id: string, site: string): string => `${id}-${site}`;
export const gatewayOf = (id: string): string => `${id}-gateway`;
export const containerOf = (id: string, host: string): string => `${id}-${host}`;

/** Names of this lab's objects, of the kind that the listing command lists. */
export async function namesOf(engine: Engine, listing: readonly string[], id: string): Promise<Set<string>> {
  const format = listing[0] === 'ps' ? '{{.Names}}' : '{{.Name}}';
  const output = await engine.docker([...listing, '--filter', `label=${labelOf(id)}`, `--format=${format}`]);
  return new Set(output.split('\n').filter(Boolean));
}
