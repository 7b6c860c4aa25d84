/**
 * The secret that holds the key which was made for a cluster, and the fact that says by which of them a host lets Farweave
 * in: `access.key`, and `access.key-2` once it was rotated.
 */
export const ACCESS_KEY = 'access.key';

/** The fact that says whether becoming root on a host takes a password besides the key: `asks`, or empty. */
export const ACCESS_SUDO = 'access.sudo';
