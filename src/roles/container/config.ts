import * as z from 'zod';
import { duration } from '../duration.ts';
import { placement } from '../placement.ts';
import { Environment, Image, Name, Value } from '../value.ts';

const port = z.int().min(1).max(65535);
const absolute = z
  .string()
  .regex(/^\/[\w@%+=:./-]*$/, 'wants an absolute path of letters, digits and @ % + = : . _ -')
  // On the host it lies in a folder of the service, which it must not leave.
  .refine((path) => !path.split('/').includes('..'), 'wants a path without ..');

const PORT = 'wants a port such as 8080, "80:8080" (host:container), "127.0.0.1:80:8080" or "53:53/udp"';

/** As `docker run --publish` has it. */
const Published = z
  .union([port, z.string().regex(/^(?:\d{1,3}(?:\.\d{1,3}){3}:)?\d{1,5}(?::\d{1,5})?(?:\/(?:tcp|udp))?$/, PORT)], PORT)
  .transform(String);

const VOLUME = 'wants the name of a folder, an absolute path on the host, or { from: …, readOnly: true }';
const from = z
  .string()
  .regex(
    /^(?:\/[\w@%+=:./-]*|[a-z0-9][a-z0-9._-]{0,62})$/,
    'wants the name of a folder, or an absolute path on the host',
  )
  .describe(
    'A name: a folder that is made for the service and outlives it. An absolute path: what stands there on the host.',
  );
const Volume = z.union(
  [
    from,
    z.strictObject({
      from,
      readOnly: z.boolean().default(false).describe('Whether the container may only read it.'),
    }),
  ],
  VOLUME,
);

const Health = z
  .strictObject({
    http: z
      .strictObject({
        port: port.describe("The container's port; it need not be published."),
        path: z
          .string()
          .regex(/^\/[\x21-\x7e]*$/, 'wants a path such as /healthz')
          .default('/')
          .describe('What is asked for.'),
        status: z.int().min(100).max(599).exactOptional().describe('The status that is well. Missing: 200 to 399.'),
      })
      .exactOptional()
      .describe("Well where an HTTP GET, from the service's host, is answered."),
    tcp: port.exactOptional().describe("Well where the container's port takes connections from the service's host."),
    command: z
      .array(z.string())
      .min(1)
      .exactOptional()
      .describe('Well where this command, run inside the container, exits with 0.'),
    interval: duration.prefault('2s').describe('How long to wait between two looks.'),
    within: duration.prefault('1m').describe('How long it may take to be well before the step has failed.'),
  })
  .refine(({ http, tcp, command }) => [http, tcp, command].filter((way) => way !== undefined).length <= 1, {
    error: 'wants one of http, tcp and command',
  });

const ORDER = 'wants all, or { rolling: N }';

/** What Farweave says itself; twice, it would be anybody's guess. */
const OWN =
  /^--(?:name|network|net|ip|ip6|hostname|restart|detach|rm|label|label-file|env|env-file|publish|mount|volume|user|entrypoint|stop-timeout|cidfile|interactive|tty|pull)(?:=|$)/;

const Service = z
  .strictObject({
    image: Image.describe('The image. One that a host has already is not pulled again: give a tag that does not move.'),
    command: z.array(z.string()).default([]).describe("What to run, word by word. Missing: the image's own."),
    entrypoint: z.string().min(1).optional().describe("A program to run in place of the image's entry point."),
    env: Environment.describe(
      'Environment variables: texts, numbers, secrets by reference, or { generated: NAME }. A secret must be one line.',
    ),
    files: z
      .record(absolute, Value)
      .default({})
      .describe('Files inside the container, by their paths: the text, or a secret by reference such as { file: … }.'),
    ports: z
      .array(Published)
      .default([])
      .describe(
        'Ports that the host publishes: 8080, "80:8080" (host:container), "127.0.0.1:80:8080", "53:53/udp". In the mesh every port is reached anyway.',
      ),
    volumes: z
      .record(absolute, Volume)
      .default({})
      .describe('Folders inside the container, by their paths, and where they are on the host.'),
    user: z
      .string()
      .regex(/^\d+:\d+$/, 'wants numbers such as 999:999')
      .optional()
      .describe(
        "Numbers of user and group: who runs it, and owns the folders that are made for it. Missing: the image's.",
      ),
    flags: z
      .array(
        z
          .string()
          .regex(/^--[a-z][a-z0-9-]*(?:=.*)?$/, 'wants one flag of docker run, such as --memory=512m')
          .refine((flag) => !OWN.test(flag), 'is for Farweave to say; see the other keys'),
      )
      .default([])
      .describe('More flags for docker run, such as --memory=512m or --cap-add=NET_ADMIN.'),
    stop: z.int().min(1).max(120).default(10).describe('Seconds that it may take to stop before it is killed.'),
    health: Health.prefault({}).describe(
      'When it is well. A host follows only when the one before it is. Missing: when it has run for some seconds.',
    ),
    ...placement,
    order: z
      .union(
        [z.literal('all'), z.strictObject({ rolling: z.int().min(1).describe('How many hosts at a time.') })],
        ORDER,
      )
      .default({ rolling: 1 })
      .describe('How a change goes over the hosts: { rolling: 1 }, one after another, or all at once.'),
    spare: z
      .int()
      .min(1)
      .optional()
      .describe(
        'How many of its hosts may be without it at once while other work goes on. Missing: less than half, but 1 at least.',
      ),
    slot: z
      .int()
      .min(2)
      .optional()
      .describe(
        "Its place in each host's subnet: 40 is 10.200.3.40 on the fourth host. Missing: one that follows from its name.",
      ),
  })
  .describe('A service: one container on each of its hosts.');

export type Service = z.infer<typeof Service>;

export const Config = z
  .record(Name, Service)
  .describe(
    'Containers of your own, by the name of the service, which is also its DNS name. They are rolled out in this order.',
  );

export type Config = z.infer<typeof Config>;

/** What other roles need to look at this section. */
export const section = { name: 'container', config: Config } as const;
