/** Hosts in few words: `vm0…vm2 (3)` where they stand side by side in the file. */
export function fold(names: readonly string[], all: readonly string[]): string {
  if (names.length <= 2) return names.join(', ');
  return runs(names, all).length === 1 ? `${names[0]}…${names.at(-1)} (${names.length})` : listed(names);
}

/** `1 host`, `3 hosts`. */
export const many = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** `a, b and c` */
export const list = (names: readonly string[]) =>
  names.length > 1 ? `${names.slice(0, -1).join(', ')} and ${names.at(-1)}` : names.join('');

/** The stretches of hosts that stand side by side in the file. */
function runs(names: readonly string[], all: readonly string[]): readonly number[] {
  const places = names.map((name) => all.indexOf(name));
  return places.filter((place, n) => place !== (places[n - 1] ?? -2) + 1);
}

function listed(names: readonly string[]): string {
  return names.length <= 5 ? names.join(', ') : `${names.slice(0, 3).join(', ')}, … (${names.length})`;
}
