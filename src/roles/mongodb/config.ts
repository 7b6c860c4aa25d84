import * as z from 'zod';
import type { HostSpec } from '../../plan/plan.ts';
import { versionOf } from '../container.ts';
import { type Context, hostNames } from '../role.ts';
import { Image } from '../value.ts';
import { Backups } from './backups.ts';
import { MOST_VOTERS } from './health.ts';
import { memberName } from './member.ts';

export const Config = z
  .strictObject({
    hosts: hostNames,
    replicaSet: z
      .string()
      .regex(/^[A-Za-z][\w-]*$/, 'wants letters, digits, _ and -')
      .default('rs0')
      .describe('Name of the replica set.'),
    image: Image.default('mongo:8.0.17').describe(
      'Image of MongoDB 4.4 to 8. Processors without AVX need mongo:4.4.29.',
    ),
    version: z
      .string()
      .regex(/^\d+\.\d+/, 'wants a version such as 8.0')
      .optional()
      .describe("Version of MongoDB in the image, where the image's tag does not begin with it."),
    featureCompatibility: z
      .string()
      .regex(/^(4\.4|[5-8]\.0)$/, 'wants a major release such as 8.0')
      .optional()
      .describe(
        'Release whose data format is used from now on, once all members run it. There is no way back to the release before. Missing: it stays as it is.',
      ),
    port: z
      .int()
      .min(1)
      .max(65535)
      .default(27017)
      .describe('Port of mongod. It is reached in the mesh only, never published.'),
    cacheGB: z
      .number()
      .min(0.25)
      .optional()
      .describe("GiB for WiredTiger's cache. Missing: MongoDB takes half of the memory less 1 GiB."),
    oplogMB: z
      .int()
      .min(64)
      .optional()
      .describe('MB for the oplog of members that are new: how long one may be away without copying everything anew.'),
    electionTimeoutMillis: z
      .int()
      .min(1000)
      .default(5000)
      .describe('How long the primary may be silent before the others elect another, in milliseconds.'),
    writeConcern: z
      .union([z.literal('majority'), z.int().min(1).max(MOST_VOTERS)])
      .default('majority')
      .describe('How many members must have a write before it is acknowledged, unless a client says otherwise.'),
    backup: Backups,
  })
  .describe('A MongoDB replica set, one member a host, reachable in the mesh.');

export type Config = z.infer<typeof Config>;

export const version = (config: Config) => versionOf(config.image, config.version);

export const memberAddress = (host: HostSpec, { port }: Pick<Config, 'port'>, { network }: Pick<Context, 'network'>) =>
  `${memberName(host)}.${network.domain}:${port}`;
