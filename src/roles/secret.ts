import * as z from 'zod';

/** Where the client, or a worker, finds a secret. The spec holds references only. */
export const SecretReference = z
  .union(
    [
      z.strictObject({
        env: z
          .string()
          .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'wants the name of an environment variable')
          .describe('Name of an environment variable of the client.'),
      }),
      z.strictObject({
        file: z
          .string()
          .min(1)
          .describe(
            'A file on the client, relative to cluster.yaml; ~ is the home folder. One trailing newline is dropped.',
          ),
      }),
      z.strictObject({
        command: z
          .array(z.string())
          .min(1)
          .describe("A command on the client, such as a vault's CLI; its stdout is the secret."),
      }),
      z.strictObject({ worker: z.string().min(1).describe("An entry of the workers' own allowlist.") }),
      z.strictObject({
        age: z
          .string()
          .max(131_072)
          .transform(dearmored)
          .refine(isAge, 'wants a value that was sealed for the workers: what farweave secrets seal prints')
          .describe(
            'The value itself, sealed for the workers: what `farweave secrets seal` prints, or age with --armor. Nobody else can open it, the client included.',
          ),
      }),
    ],
    'wants a secret by reference, never its value: { env: NAME }, { file: PATH }, { command: [CLI, …] }, { worker: ENTRY } or { age: SEALED }',
  )
  .describe('A secret by reference: never its value.');

export type SecretReference = z.infer<typeof SecretReference>;

/** What a reference of the client's leads to: the value, or one that was sealed for the workers before (base64 of an age file). */
export type SecretValue = string | { readonly age: string };

/** Base64 of the file, in one line. */
function dearmored(text: string): string {
  return text.replaceAll(/-----(BEGIN|END) AGE ENCRYPTED FILE-----|\s/g, '');
}

/** Whether it is an age file for recipients, not for a passphrase. For which ones cannot be told: the workers say that. */
function isAge(text: string): boolean {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return false;
  return /^age-encryption\.org\/v1\n-> (?!scrypt )/.test(Buffer.from(text, 'base64').toString('latin1'));
}

/** A secret that a worker makes once in the cluster's life, and that stays sealed in the cluster's state. */
export interface Generated {
  readonly generate:
    | { readonly length: number; readonly alphabet: 'alphanumeric' | 'base64' }
    /** A key pair to log in with; the secret is its private half, in OpenSSH's format. */
    | { readonly key: 'ed25519' };
}
