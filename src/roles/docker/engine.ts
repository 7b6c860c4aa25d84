import * as z from 'zod';
import { holds, type Script, script, sh, writing } from '../../ssh/command.ts';
import { no, operation, yes } from '../operation.ts';
import { installed, installing, judgeInstalled, purgingAdded } from '../system/packages.ts';
import { judgeAmiss } from '../system/services.ts';

const Source = z.enum(['distribution', 'docker']);

const PACKAGES = { distribution: ['docker.io'], docker: ['docker-ce', 'docker-ce-cli', 'containerd.io'] } as const;
const OTHERS = { distribution: ['docker-ce', 'podman-docker'], docker: ['docker.io', 'podman-docker'] } as const;

/** apt would take the other engine away without a word, and the containers with it. */
export const unrivalled = operation('docker.unrivalled', z.object({ source: Source }), {
  kind: 'preflight',
  brief: true,
  publishes: [],
  probe: (_, { source }) => sh`${installed(OTHERS[source])}
if [ -e /snap/bin/docker ]; then echo 'the snap of Docker'; fi`,
  judge: ({ stdout }, _, { source }) => {
    const [rival] = stdout.split('\n').filter(Boolean);
    return rival ? no(`${rival} is installed`, `${PACKAGES[source][0]}: set roles.docker.source, or remove it`) : yes();
  },
});

const KEYRING = '/etc/apt/keyrings/farweave-docker.asc';
const SOURCES = '/etc/apt/sources.list.d/farweave-docker.sources';

/** Docker's own packages, trusted by one key for one repository. */
export const repository = operation('docker.repository', z.object({ url: z.string(), keySha256: z.string() }), {
  publishes: [],
  undo: 'restore',
  probe: (_, { url, keySha256 }) => sh`. /etc/os-release
echo ${`${keySha256}  ${KEYRING}`} | sha256sum --check --status 2>/dev/null || echo 'no key'
${sources(url)} | cmp -s - ${SOURCES} || echo 'no such source'`,
  judge: (output, _, { url }) => judgeAmiss(output, `packages from ${url}`),
  apply: (_, { url, keySha256 }) => ({
    ...script(
      sh`. /etc/os-release`,
      sh`mkdir -p /etc/apt/keyrings`,
      // Its own exit codes mean something else here.
      sh`curl -fsSL --retry 3 --max-time 60 -o ${KEYRING}.farweave-new ${url}/"$ID"/gpg || exit 1`,
      sh`echo ${`${keySha256}  ${KEYRING}.farweave-new`} | sha256sum --check`,
      sh`chmod 0644 ${KEYRING}.farweave-new`,
      sh`mv -f ${KEYRING}.farweave-new ${KEYRING}`,
      sh`${sources(url)} > ${SOURCES}.farweave-new`,
      sh`mv -f ${SOURCES}.farweave-new ${SOURCES}`,
    ),
    saves: [KEYRING, SOURCES],
  }),
});

const NAME = 'docker.install';

/**
 * The engine and its command line, which Debian 13 packages apart. Recommended packages stay out, but for AppArmor's
 * parser: without it no container starts on a kernel that has AppArmor on.
 */
export const install = operation(NAME, z.object({ source: Source }), {
  timeout: 1_200_000,
  publishes: [],
  // What is missing beside an engine that runs may bring a newer one, and dpkg restarts it.
  disrupts: true,
  undo: 'restore',
  restored: () => removingEngine(),
  probe: (_, { source }) => sh`${installed(PACKAGES[source])}
if command -v docker > /dev/null; then echo cli; fi
if ! grep -qs Y /sys/module/apparmor/parameters/enabled || [ -x /sbin/apparmor_parser ]; then echo apparmor; fi`,
  judge: (output, _, { source }) => judgeInstalled(output, [...PACKAGES[source], 'cli', 'apparmor']),
  apply: (_, { source }) =>
    installing(
      NAME,
      PACKAGES[source],
      script(
        // The repository may have been added a moment ago.
        sh`apt-cache show $packages > /dev/null 2>&1 || apt update`,
        ...(source === 'distribution'
          ? [sh`if apt-cache show docker-cli > /dev/null 2>&1; then packages="$packages docker-cli"; fi`]
          : []),
        sh`if grep -qs Y /sys/module/apparmor/parameters/enabled; then packages="$packages apparmor"; fi`,
      ),
    ),
});

/**
 * With its packages goes what the engine has made by itself: images, its bridge, its rules. Volumes may hold data, and stay.
 * While containers of somebody else are there all of it does.
 */
function removingEngine(): Script {
  return script(
    sh`others=
if command -v dockerd > /dev/null; then others=$(timeout 20 docker ps --all --format ${'{{.Names}}'} 2>/dev/null | head -n 3 | tr '\n' ' ') || :; fi`,
    sh`if [ -n "$others" ]; then echo "left: Docker, which has containers of somebody else: $others"; else
${purgingAdded(NAME, { 'docker.io': 'docker', 'docker-ce': 'docker' })}
hash -r
if ! command -v dockerd > /dev/null; then
  ip link delete docker0 2>/dev/null || :
  ${{ text: WITHOUT_RULES }}
  volumes=$(ls /var/lib/docker/volumes 2>/dev/null | grep -vxE 'metadata.db|backingFsBlockDev' | head -n 3 | tr '\n' ' ') || :
  [ -n "$volumes" ] || rm -rf /var/lib/docker/volumes
  [ -z "$volumes" ] || echo "left: volumes of Docker in /var/lib/docker/volumes: $volumes"
  # Either may be a disk of its own.
  if [ -d /var/lib/docker ]; then find /var/lib/docker -mindepth 1 -maxdepth 1 ! -name volumes -exec rm -rf {} +; fi
  if [ -d /var/lib/containerd ] && ! command -v containerd > /dev/null; then
    find /var/lib/containerd -mindepth 1 -maxdepth 1 -exec rm -rf {} +
    rm -rf /run/containerd
  fi
  rmdir /var/lib/docker /var/lib/containerd 2>/dev/null || :
  rm -rf /run/docker /run/docker.sock /etc/docker/key.json
  rmdir /etc/docker /etc/cni/net.d /etc/cni /opt/containerd/bin /opt/containerd/lib /opt/containerd 2>/dev/null || :
fi
fi`,
  );
}

/** Whoever has rules of their own for what is forwarded may have the policy of their own as well. */
const WITHOUT_RULES = String.raw`for tables in iptables ip6tables; do
    command -v $tables-save > /dev/null || continue
    rules=$($tables-save 2>/dev/null | grep -vE '(:| )DOCKER(-[^ ]*)?( |$)|docker0') || :
    case $rules in *'-A FORWARD'*) ;; *) rules=$(printf '%s\n' "$rules" | sed 's/^:FORWARD DROP/:FORWARD ACCEPT/') ;; esac
    printf '%s\n' "$rules" | $tables-restore || :
  done`;

const DAEMON = '/etc/docker/daemon.json';
const DROP_IN = '/etc/systemd/system/docker.service.d/farweave.conf';
/** What the daemon that runs was started with: gone with a reboot, like the daemon. */
const LOADED = '/run/farweave-docker.json';
const KEEPS_A_COPY = ['# Written by Farweave.', '[Service]', `ExecStartPre=-/bin/cp ${DAEMON} ${LOADED}`, ''].join(
  '\n',
);

export const configure = operation('docker.configure', z.object({ daemon: z.record(z.string(), z.json()) }), {
  publishes: [],
  // A daemon that was started without live-restore takes its containers along.
  disrupts: true,
  undo: 'restore',
  restored: () => sh`systemctl daemon-reload
if command -v dockerd > /dev/null; then systemctl reset-failed docker || :; systemctl restart docker; fi`,
  probe: (
    _,
    { daemon },
  ) => sh`if ! ${holds(DAEMON, json(daemon))} || ! ${holds(DROP_IN, KEEPS_A_COPY)}; then echo 'another configuration'
elif ! cmp -s ${DAEMON} ${LOADED}; then echo 'not started with its configuration'; fi
if ! systemctl is-enabled -q docker 2>/dev/null; then echo 'not enabled'; fi
if ! systemctl is-active -q docker; then echo 'not running'
elif ! timeout 20 docker version > /dev/null 2>&1; then echo 'no answer'; fi`,
  judge: (output) => judgeAmiss(output, 'a Docker that runs with the configuration of the spec'),
  apply: (_, { daemon }) =>
    script(
      writing(DAEMON, json(daemon)),
      writing(DROP_IN, KEEPS_A_COPY),
      sh`systemctl daemon-reload`,
      sh`systemctl enable -q docker`,
      sh`systemctl reset-failed docker || :`,
      sh`if ! cmp -s ${DAEMON} ${LOADED} || ! systemctl is-active -q docker || ! timeout 20 docker version > /dev/null 2>&1; then
  systemctl restart docker || { journalctl -u docker -n 20 --no-pager; exit 1; }
fi`,
    ),
});

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

/** Where os-release was read. */
function sources(url: string) {
  const lines = ['Types: deb', 'URIs: %s/%s', 'Suites: %s', 'Components: stable', `Signed-By: ${KEYRING}`, ''].join(
    '\n',
  );
  return sh`printf ${lines} ${url} "$ID" "$VERSION_CODENAME"`;
}
