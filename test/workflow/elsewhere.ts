/** A namespace that knows nothing of the default one: as good as another server. */
export const ELSEWHERE = 'elsewhere';
