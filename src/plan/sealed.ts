/** In place of a ciphertext: an entry of the workers' own allowlist. */
const WORKER = 'worker:';
/** In place of a ciphertext: it was not given, since no host needed it, and where it would come from. */
const ABSENT = 'absent:';

export const fromWorker = (entry: string): string => `${WORKER}${entry}`;
export const absent = (where: string): string => `${ABSENT}${where}`;

/** The entry of the workers' allowlist that is meant, if one is. */
export const entryOf = (sealed: string): string | undefined => after(WORKER, sealed);
/** Where a secret would come from that was not given. */
export const whereaboutsOf = (sealed: string): string | undefined => after(ABSENT, sealed);

export const isAbsent = (sealed: string): boolean => whereaboutsOf(sealed) !== undefined;

/** Whether it takes an identity to open it. */
export const isCiphertext = (sealed: string): boolean => entryOf(sealed) === undefined && !isAbsent(sealed);

const after = (mark: string, text: string) => (text.startsWith(mark) ? text.slice(mark.length) : undefined);
