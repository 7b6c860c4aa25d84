import type { Vault } from '../src/activities/vault.ts';

/** Seals nothing: what is sealed stands behind `prefix`, in plain. */
export const plainVault = (prefix = ''): Vault => ({
  recipient: '',
  recipientNow: async () => '',
  reseal: async (sealed) => sealed,
  seal: async (value) => `${prefix}${value}`,
  open: async (sealed) => sealed.slice(prefix.length),
});
