import { hostname, userInfo } from 'node:os';

/** `user@host`, for the cluster's events. */
export function whoAmI(): string {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    return hostname();
  }
}
