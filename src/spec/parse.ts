import * as z from 'zod';
import { used } from '../roles/context.ts';
import { roles as registry } from '../roles/index.ts';
import type { Role } from '../roles/role.ts';
import { bastionRules } from './bastions.ts';
import { type Cluster, frame } from './cluster.ts';
import { complaints, say } from './issues.ts';
import { accessKeys, accessSecrets, bastionOf, hostOf } from './login.ts';
import { type Pieces, readPieces } from './pieces.ts';
import { dotted, type Problem, SpecError } from './problem.ts';
import {
  credentialRules,
  type Finding,
  identityRules,
  networkRules,
  placementRules,
  roleRules,
  rolloutRules,
  siteRules,
  windowRules,
  writtenRules,
} from './rules.ts';
import { clusterSchema, jsonSchema } from './schema.ts';
import { inSite } from './site.ts';
import { readSource, type Source } from './source.ts';

const MOST = 100;

/** What messages call the file, and the roles that there are (the registry's unless told). */
export interface ParseOptions {
  readonly file: string;
  /** The text as somebody has written it, where the one that is parsed says more: positions are those in it. */
  readonly written?: string;
  readonly roles?: readonly Role[];
}

export interface Parsed {
  readonly cluster: Cluster;
  readonly warnings: readonly Problem[];
}

/**
 * Parses the text of a cluster.yaml. Pure.
 * @throws SpecError with everything that is wrong at once.
 */
export function parseCluster(text: string, { file, written = text, roles = registry }: ParseOptions): Parsed {
  const source = { ...readSource(written), ...valueOf(text) };
  const mistakes = source.mistakes.map(({ path, offset, message }): Problem => {
    return { severity: 'error', file, ...source.position(offset), path: dotted(path), message };
  });
  if (!('value' in source)) throw new SpecError(mistakes);

  const problems = [...mistakes, ...locate(findings(source.value, roles), source, file)];
  const sorted = problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
  if (sorted.some(({ severity }) => severity === 'error')) throw new SpecError(readable(sorted));
  return { cluster: assemble(text, source.value, roles), warnings: sorted };
}

/** What a text says, and what of it no schema sees. */
function valueOf(text: string): Pick<Source, 'value' | 'mistakes'> {
  const { mistakes, ...source } = readSource(text);
  return { mistakes, ...('value' in source && { value: source.value }) };
}

function findings(value: unknown, roles: readonly Role[]): readonly Finding[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const what = value === null ? 'is empty' : 'is not a mapping (key: value)';
    return [severe({ path: [], message: `${what}: wants apiVersion, kind, metadata, sites, hosts and roles` })];
  }
  const { error } = clusterSchema(roles).safeParse(value, { error: say });
  const schema = error ? complaints(error.issues, jsonSchema(roles)).map(severe) : [];
  return [...schema, ...rules(readPieces(value, roles), roles)];
}

/** What is wrong between values that are each right by themselves. */
function rules(pieces: Pieces, roles: readonly Role[]): readonly Finding[] {
  const { sites, access, hosts, sections, rollout, network } = pieces;
  const found = [
    ...identityRules(hosts, access ?? {}, sites),
    ...bastionRules(pieces),
    ...(access ? writtenRules(access) : []),
    ...(sites ? [...siteRules(hosts, Object.keys(sites)), ...windowRules(sites)] : []),
    ...(access ? credentialRules(hosts, access) : []),
    ...(network ? networkRules(network.value, network.path, hosts) : []),
    ...(rollout ? rolloutRules(rollout, pieces.complete ? hosts.length : Infinity) : []),
    ...(pieces.complete ? placementRules(hosts, sections, roles) : []),
  ];
  // Roles may trust what they are given, so they are not asked before it is right.
  if (found.some(({ severity }) => severity === 'error') || !pieces.complete || !network || !sites) return found;
  const numbered = hosts.map(({ at, host }) => ({ ...hostOf(host, access ?? {}, sites), index: at }));
  return [...found, ...roleRules({ cluster: '', sites, hosts: numbered, network: network.value, sections }, roles)];
}

function assemble(text: string, value: unknown, roles: readonly Role[]): Cluster {
  const { metadata, sites, access, bastions, rollout, hosts } = z.object(frame).parse(value);
  const { sections, network } = readPieces(Object(value), roles);
  if (!network)
    throw new Error('no role is the network: src/roles/index.ts must name one that has network() and always');
  const ofRoles = used({ sections }, roles).map((role) => role.secrets?.(sections[role.name]) ?? {});
  return {
    name: metadata.name,
    text,
    sites,
    hosts: hosts.map((host) => inSite(hostOf(host, access, sites), sites[host.site]!)),
    bastions: Object.fromEntries(Object.entries(bastions).map(([name, bastion]) => [name, bastionOf(name, bastion)])),
    network: network.value,
    sections,
    rollout,
    secrets: Object.assign({}, accessSecrets(hosts, access, bastions), accessKeys(hosts, access), ...ofRoles),
  };
}

/** Nobody mends more at once, and a file that is no cluster.yaml at all may be wrong in every line. */
function readable(problems: readonly Problem[]): readonly Problem[] {
  const errors = problems.filter(({ severity }) => severity === 'error');
  const [next] = errors.slice(MOST);
  if (!next) return problems;
  return [...errors.slice(0, MOST), { ...next, path: '', message: `and ${errors.length - MOST} more` }];
}

function locate(found: readonly Finding[], source: Source, file: string): readonly Problem[] {
  return found.map(({ severity, path, message }) => {
    return { severity, file, ...source.position(source.offset(path)), path: dotted(path), message };
  });
}

const severe = (complaint: Omit<Finding, 'severity'>): Finding => ({ ...complaint, severity: 'error' });
