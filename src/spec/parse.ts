import * as z from 'zod';
import { used } from '../roles/context.ts';
import { roles as registry } from '../roles/index.ts';
import type { Role } from '../roles/role.ts';
import { type Cluster, frame } from './cluster.ts';
import { complaints, say } from './issues.ts';
import { accessKeys, accessSecrets, hostOf } from './login.ts';
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
} from './rules.ts';
import { clusterSchema, jsonSchema } from './schema.ts';
import { readSource, type Source } from './source.ts';

/** What messages call the file, and the roles that there are (the registry's unless told). */
export interface ParseOptions {
  readonly file: string;
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
export function parseCluster(text: string, { file, roles = registry }: ParseOptions): Parsed {
  const source = readSource(text);
  const mistakes = source.mistakes.map(({ path, offset, message }): Problem => {
    return { severity: 'error', file, ...source.position(offset), path: dotted(path), message };
  });
  if (!('value' in source)) throw new SpecError(mistakes);

  const problems = [...mistakes, ...locate(findings(source.value, roles), source, file)];
  const sorted = problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
  if (sorted.some(({ severity }) => severity === 'error')) throw new SpecError(sorted);
  return { cluster: assemble(text, source.value, roles), warnings: sorted };
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
    ...identityRules(hosts, access ?? {}),
    ...(sites ? [...siteRules(hosts, Object.keys(sites)), ...windowRules(sites)] : []),
    ...(access ? credentialRules(hosts, access) : []),
    ...(network ? networkRules(network.value, network.path, hosts) : []),
    ...(rollout ? rolloutRules(rollout, pieces.complete ? hosts.length : Infinity) : []),
    ...(pieces.complete ? placementRules(hosts, sections, roles) : []),
  ];
  // Roles may trust what they are given, so they are not asked before it is right.
  if (found.some(({ severity }) => severity === 'error') || !pieces.complete || !network || !sites) return found;
  const numbered = hosts.map(({ at, host }) => ({ ...hostOf(host, access ?? {}), index: at }));
  return [...found, ...roleRules({ cluster: '', sites, hosts: numbered, network: network.value, sections }, roles)];
}

function assemble(text: string, value: unknown, roles: readonly Role[]): Cluster {
  const { metadata, sites, access, rollout, hosts } = z.object(frame).parse(value);
  const { sections, network } = readPieces(Object(value), roles);
  if (!network)
    throw new Error('no role is the network: src/roles/index.ts must name one that has network() and always');
  const ofRoles = used({ sections }, roles).map((role) => role.secrets?.(sections[role.name]) ?? {});
  return {
    name: metadata.name,
    text,
    sites,
    hosts: hosts.map((host) => hostOf(host, access)),
    network: network.value,
    sections,
    rollout,
    secrets: Object.assign({}, accessSecrets(hosts, access), accessKeys(hosts, access), ...ofRoles),
  };
}

function locate(found: readonly Finding[], source: Source, file: string): readonly Problem[] {
  return found.map(({ severity, path, message }) => {
    return { severity, file, ...source.position(source.offset(path)), path: dotted(path), message };
  });
}

const severe = (complaint: Omit<Finding, 'severity'>): Finding => ({ ...complaint, severity: 'error' });
