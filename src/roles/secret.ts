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
    ],
    'wants a secret by reference, never its value: { env: NAME }, { file: PATH }, { command: [CLI, …] } or { worker: ENTRY }',
  )
  .describe('A secret by reference: never its value.');

export type SecretReference = z.infer<typeof SecretReference>;

/** A secret that a worker makes once in the cluster's life, and that stays sealed in the cluster's state. */
export interface Generated {
  readonly generate:
    | { readonly length: number; readonly alphabet: 'alphanumeric' | 'base64' }
    /** A key pair to log in with; the secret is its private half, in OpenSSH's format. */
    | { readonly key: 'ed25519' };
}
