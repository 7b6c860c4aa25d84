import * as z from 'zod';
import { groups } from '../plan/plan.ts';
import { dotted, SpecError } from '../spec/problem.ts';
import { type Edit, edited, readSource } from '../spec/source.ts';
import { type Home, knownKey, placeOf, type Reached, SshFileError, sshConfig } from './ssh-files.ts';

const At = z.looseObject({
  address: z.string(),
  user: z.string().exactOptional(),
  port: z.number().exactOptional(),
  privateKey: z.unknown().exactOptional(),
  hostKey: z.unknown().exactOptional(),
  via: z.unknown().exactOptional(),
});
type At = z.infer<typeof At>;
const switched = z.union([z.boolean(), z.string()]).catch(false).default(false);
const Written = z.looseObject({
  access: z
    .looseObject({
      sshConfig: switched,
      knownHosts: switched,
      user: z.unknown().exactOptional(),
      port: z.number().exactOptional(),
    })
    .catch({ sshConfig: false, knownHosts: false }),
  hosts: z.array(z.unknown()).catch([]),
  bastions: z.record(z.string(), z.unknown()).catch({}),
});

/** Programs at once. */
const AT_ONCE = 8;

/**
 * A cluster.yaml as everybody else is to read it: what its addresses mean by ~/.ssh/config, and the host keys of known_hosts,
 * stand in it (`access.sshConfig`, `access.knownHosts`). What the file says itself goes before. Comments stay.
 * @throws SpecError with all that cannot be understood.
 */
export async function expanded(text: string, home: Home): Promise<string> {
  const source = readSource(text);
  const { data } = Written.safeParse(source.value);
  if (!data || (!data.access.sshConfig && !data.access.knownHosts)) return text;
  const problems: { readonly path: Edit['path']; readonly message: string }[] = [];
  const attempt = async <T>(path: Edit['path'], act: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof SshFileError)) throw error;
      problems.push({ path, message: error.message });
      return undefined;
    }
  };

  const { sshConfig: config, knownHosts: known } = data.access;
  const aliases = config && (await attempt(['access', 'sshConfig'], () => placeOf(config, '.ssh/config', home)));
  let explicit = aliases ? edited(text, await aliasEdits(data, sshConfig(aliases, home), attempt)) : text;
  const keys = known && (await attempt(['access', 'knownHosts'], () => placeOf(known, '.ssh/known_hosts', home)));
  if (keys) {
    const find = (at: { address: string; port: number }) => knownKey(keys, at, home);
    explicit = edited(explicit, await keyEdits(Written.parse(readSource(explicit).value), find, attempt));
  }
  if (problems.length > 0)
    throw new SpecError(
      problems.map(({ path, message }) => ({
        severity: 'error',
        file: 'cluster.yaml',
        ...source.position(source.offset(path)),
        path: dotted(path),
        message,
      })),
    );
  return edited(explicit, [{ path: ['access', 'sshConfig'] }, { path: ['access', 'knownHosts'] }]);
}

type Attempt = <T>(path: Edit['path'], act: () => Promise<T>) => Promise<T | undefined>;

/** What the addresses of hosts and bastions mean, and the bastions that they bring along. */
async function aliasEdits(
  { access, hosts, bastions }: z.infer<typeof Written>,
  reach: (name: string, user?: string) => Promise<Reached>,
  attempt: Attempt,
): Promise<readonly Edit[]> {
  const brought = new Map<string, Record<string, unknown>>();

  /** The name of the bastion that these lead to, one after another. `trail`: those that it leads to itself. */
  const bastionBy = async (jumps: readonly string[], trail: readonly string[] = []): Promise<string | undefined> => {
    const [jump, ...before] = jumps.toReversed().map(jumpOf);
    if (jump === undefined) return undefined;
    const id = [jump, ...before]
      .map(({ name }) => nameOf(name))
      .join('-by-')
      .slice(0, 31);
    if (Object.hasOwn(bastions, id) || brought.has(id)) return id;
    if (trail.includes(id)) throw new SshFileError(`ProxyJump leads in a circle: ${[id, ...trail].join(' → ')}`);
    const at = await reach(jump.name, jump.user);
    const via = await bastionBy(before.length > 0 ? jumps.slice(0, -1) : at.jumps, [id, ...trail]);
    const port = jump.port ?? at.port;
    brought.set(id, {
      address: at.address,
      user: jump.user ?? at.user ?? at.anyUser,
      ...(port !== undefined && { port }),
      // Without a key of its own it is reached as ssh would: by the agent.
      ...(at.identity === undefined ? { agent: true } : { privateKey: { file: at.identity } }),
      ...(via !== undefined && { via }),
    });
    return id;
  };
  const meant = async (path: Edit['path'], given: At): Promise<readonly Edit[]> => {
    const at = await reach(given.address, given.user);
    if (!at.isKnown) return [];
    const isHost = path[0] === 'hosts';
    const user = at.user ?? (isHost && access.user !== undefined ? undefined : at.anyUser);
    const via = given.via === undefined ? await bastionBy(at.jumps) : undefined;
    const says = {
      address: at.address,
      ...(given.user === undefined && user !== undefined && { user }),
      ...(given.port === undefined && at.port !== undefined && { port: at.port }),
      ...(given.privateKey === undefined && at.identity !== undefined && { privateKey: { file: at.identity } }),
      ...(via !== undefined && { via }),
    };
    return Object.entries(says).map(([key, value]) => ({ path: [...path, key], value }));
  };

  const edits = await inTurns(placesOf({ hosts, bastions }), ({ path, at }) =>
    attempt([...path, 'address'], () => meant(path, at)),
  );
  const made = [...brought].map(([name, value]): Edit => ({ path: ['bastions', name], value }));
  return [...edits.flatMap((some) => some ?? []), ...made];
}

/** The keys of hosts and bastions that have none. */
async function keyEdits(
  written: z.infer<typeof Written>,
  find: (at: { address: string; port: number }) => Promise<string | undefined>,
  attempt: Attempt,
): Promise<readonly Edit[]> {
  const unpinned = placesOf(written).filter(({ at }) => at.hostKey === undefined);
  const edits = await inTurns(unpinned, ({ path, at }) =>
    attempt(path, async (): Promise<readonly Edit[]> => {
      const port = at.port ?? (path[0] === 'hosts' ? written.access.port : undefined) ?? 22;
      const value = await find({ address: at.address, port });
      return value === undefined ? [] : [{ path: [...path, 'hostKey'], value }];
    }),
  );
  return edits.flatMap((some) => some ?? []);
}

function placesOf({ hosts, bastions }: Pick<z.infer<typeof Written>, 'hosts' | 'bastions'>) {
  const places = [
    ...hosts.map((entry, n) => ({ path: ['hosts', n] as Edit['path'], entry })),
    ...Object.entries(bastions).map(([name, entry]) => ({ path: ['bastions', name] as Edit['path'], entry })),
  ];
  return places.flatMap(({ path, entry }) => {
    const { data: at } = At.safeParse(entry);
    return at ? [{ path, at }] : [];
  });
}

/** `user@host:port`, as ProxyJump has it. */
function jumpOf(jump: string) {
  const [, user, bracketed, plain, port] = /^(?:ssh:\/\/)?(?:(.+)@)?(?:\[(.+)\]|([^:]+))(?::(\d+))?$/.exec(jump) ?? [];
  return { name: bracketed ?? plain ?? jump, user, port: port === undefined ? undefined : Number(port) };
}

/** Bastions are called as the aliases are, as far as names may be. */
function nameOf(alias: string): string {
  const plain = alias
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '');
  return /^[a-z]/.test(plain) ? plain : `gate-${plain}`;
}

async function inTurns<T, Result>(all: readonly T[], act: (each: T) => Promise<Result>): Promise<readonly Result[]> {
  const results: Result[] = [];
  for (const some of groups(AT_ONCE, all)) results.push(...(await Promise.all(some.map(act))));
  return results;
}
