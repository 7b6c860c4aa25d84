import { keyTools } from './connection.ts';

/** A key pair to log in with: the private half, in OpenSSH's format. */
export function makeKey(): string {
  return keyTools.generateKeyPairSync('ed25519', { comment: 'farweave' }).private;
}

/** `ssh-ed25519 AAAA…`, as it stands in authorized_keys, of a private key that needs no passphrase; undefined for what is none. */
export function publicHalf(privateKey: string): string | undefined {
  const key = keyTools.parseKey(privateKey);
  return key instanceof Error ? undefined : `${key.type} ${key.getPublicSSH().toString('base64')}`;
}
