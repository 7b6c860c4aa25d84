/** The fact that holds the key a host is known by: the one that it showed when it was first met, or the last it was given. */
export const HOST_KEY = 'host.key';

/**
 * The other key that a host may show while its key is being changed: the next one before it is known to be in place, the
 * former one from then on, until the rollout has ended.
 */
export const HOST_KEY_OTHER = 'host.key.other';
