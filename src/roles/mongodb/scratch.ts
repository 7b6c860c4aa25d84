import type { HostSpec } from '../../plan/plan.ts';
import { type Command, sh } from '../../ssh/command.ts';
import { COOKIE } from '../container.ts';
import { COLLECTIONS } from './held.ts';
import { type Member, memberName, OWNER } from './member.ts';
import { javascript } from './shell.ts';

const SCRATCH = 'farweave-scratch';

/** Seconds. Reading all of a large database takes hours. */
const PROVING = 14_000;

/**
 * Makes the copy a replica set of this member alone, which then elects itself, and reads everything in it. `wanted` is what
 * the member had said when it was locked; null where that has been compared before.
 */
const PROVE = `
if (local === null) fail('MongoDB does not start with it');
const status = () => ask(local, { replSetGetStatus: 1 });
// 93: its set does not know this host.
const settled = until(120, () => { const { ok, code, myState } = status(); return (ok && [1, 2].includes(Number(myState))) || code === 93; });
if (!settled) fail('it does not become a member that can be read');
const before = (status().members || []).filter((member) => member.self)[0];
const last = before && before.optimeDate.toISOString();
const conf = must(local, { replSetGetConfig: 1 }).config;
const known = conf.members.filter((member) => member.host === address)[0];
conf.members = [{ _id: known ? known._id : 0, host: address, priority: 1, votes: 1 }];
must(local, { replSetReconfig: conf, force: true });
if (!until(90, () => hello(local).isWritablePrimary)) fail('it does not become a replica set of its own');
let collections = 0, documents = 0;
for (const { name } of must(local, { listDatabases: 1, nameOnly: true }).databases) {
  if (name === 'local') continue;
  for (const collection of collectionsOf(name)) {
    const { valid, nrecords, errors } = must(local.getSiblingDB(name), { validate: collection });
    if (!valid) fail(name + '.' + collection + ' is damaged: ' + errors);
    collections += 1;
    documents += Number(nrecords);
  }
}
if (wanted && collections < wanted.collections) fail('it has ' + collections + ' collections, and the member had ' + wanted.collections);
if (wanted && last < wanted.until) fail('it ends at ' + last + ', and the member was at ' + wanted.until);
say({ version: must(local, { buildInfo: 1 }).version, until: last || '', documents });
`;

/**
 * Starts MongoDB with the files of a folder, by itself and reachable from nowhere, and makes it a replica set of its own in
 * which everything was read. Leaves the files as after a clean stop. `wanted` prints JavaScript. Says what it is to `found`.
 */
export function proving(
  host: HostSpec,
  { image, replicaSet, port, network }: Pick<Member, 'image' | 'replicaSet' | 'port' | 'network'>,
  { folder, wanted, found }: { readonly folder: string; readonly wanted: Command; readonly found: string },
): Command {
  const name = `${memberName(host)}.${network.domain}`;
  const flags = [
    '--network=none',
    `--hostname=${name}`,
    `--add-host=${name}:127.0.0.1`,
    `--user=${OWNER}`,
    `--mount=type=bind,source=${folder},target=/data/db`,
  ];
  // No document may expire while they are counted.
  const options = ['--bind_ip_all', '--wiredTigerCacheSizeGB', '0.25', '--setParameter', 'ttlMonitorEnabled=false'];
  const code = `const address = ${JSON.stringify(`${name}:${port}`)};\n${COLLECTIONS}${PROVE}`;
  const asking = javascript(
    { name: SCRATCH, port },
    code,
    { wait: 300, all: PROVING },
    sh`echo "const wanted = $(${wanted});"`,
  );
  return sh`docker rm --force --volumes ${SCRATCH} > /dev/null 2>&1 || :
trap 'docker rm --force --volumes ${SCRATCH} > /dev/null 2>&1' EXIT
docker run --detach --name ${SCRATCH} ${COOKIE} ${flags} ${image} mongod --replSet ${replicaSet} --port ${port} ${options} > /dev/null
{ ${asking}
} > ${found} || { docker logs --tail 3 ${SCRATCH}; cat ${found}; exit 1; }
docker stop -t 60 ${SCRATCH} > /dev/null
docker rm --volumes ${SCRATCH} > /dev/null
trap - EXIT`;
}
