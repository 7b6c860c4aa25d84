import * as z from 'zod';
import type { HostSpec, Stage } from '../../plan/plan.ts';
import { type Command, script, sh } from '../../ssh/command.ts';
import { HOST_KEY, HOST_KEY_OTHER } from '../host-key.ts';
import { no, operation, unknown, yes } from '../operation.ts';

/** `mark` stands at the end of the key, and says by which rotation it was made: `farweave:demo:2026-11-25T20:00:00.000Z`. */
const Mark = z.object({ mark: z.string() });

const KEY = '/etc/ssh/ssh_host_ed25519_key';
const NEXT = `${KEY}.farweave`;
/** As an undo of saved files names it too. */
const FORMER = `${KEY}.farweave-old`;

/**
 * Exit code 3 where the key that sshd shows first is none that a new file would replace. 0 where the rotation's key is in
 * place, and otherwise goes on.
 */
const unlessDone = (
  mark: string,
): Command => sh`config=$(/usr/sbin/sshd -T -C user=root,host=localhost,addr=127.0.0.1 2>&1) ||
  { echo "sshd does not take its own configuration: $(printf '%s\n' "$config" | tail -n 1)" >&2; exit 3; }
if ! printf '%s\n' "$config" | grep -qx ${`hostkey ${KEY}`} || [ ! -f ${KEY} ]; then
  echo ${`sshd does not show ${KEY}: change the key of this host by hand, then run farweave hostkeys accept`} >&2; exit 3
fi
if printf '%s\n' "$config" | grep -E '^(hostcertificate|hostkeyagent) ' | grep -qv ' none$'; then
  echo 'sshd shows a certificate, or asks an agent, for its key (HostCertificate, HostKeyAgent): change it where that is made' >&2; exit 3
fi
[ ! -f ${KEY}.pub ] || ! grep -q ${` ${mark}$`} ${KEY}.pub || exit 0`;

/** `SHA256:…` of a key. */
const fingerprint = (path: string): Command => sh`ssh-keygen -lf ${path} | cut -d ' ' -f 2`;

/** The host has its next key, beside the one that it shows. Whoever reaches it knows that key before it is shown. */
export const nextHostKey = operation('system.nextHostKey', Mark, {
  brief: true,
  origin: false,
  publishes: [HOST_KEY_OTHER],
  probe: (_, { mark }) => sh`${unlessDone(mark)}
[ -f ${NEXT} ] && [ -f ${NEXT}.pub ] && grep -q ${` ${mark}$`} ${NEXT}.pub || exit 1
${fingerprint(`${NEXT}.pub`)}`,
  judge: ({ exitCode, stdout, stderr }) => {
    if (exitCode === 1) return no('without it', 'the next host key');
    if (exitCode !== 0) return unknown(stderr.trim());
    const next = stdout.trim();
    return next === '' ? yes() : yes({ [HOST_KEY_OTHER]: next });
  },
  apply: (_, { mark }) =>
    script(sh`rm -f ${NEXT} ${NEXT}.pub
ssh-keygen -q -t ed25519 -N '' -C ${mark} -f ${NEXT}
sync ${NEXT} ${NEXT}.pub`),
  undo: () => script(sh`rm -f ${NEXT} ${NEXT}.pub`),
});

/**
 * Makes sshd read its keys anew. Those who are logged in stay so. One that is started for each connection reads them then, and
 * one that the service manager does not know is found by its pid file.
 */
const RELOAD = `reload() {
  if [ -d /run/systemd/system ]; then
    for unit in ssh sshd; do
      if systemctl is-active --quiet "$unit"; then systemctl reload "$unit"; return; fi
    done
    for unit in ssh.socket sshd.socket; do
      if systemctl is-active --quiet "$unit"; then return 0; fi
    done
  fi
  pid=$(/usr/sbin/sshd -T -C user=root,host=localhost,addr=127.0.0.1 2>/dev/null | sed -n 's/^pidfile //p')
  if [ -s "$pid" ]; then kill -HUP "$(cat "$pid")"; return; fi
  echo 'no sshd was found that could be made to read its keys anew' >&2
  return 1
}`;

/** It is the one that sshd shows. */
export const hostKey = operation('system.hostKey', Mark, {
  origin: false,
  publishes: [],
  probe: (_, { mark }) => sh`${unlessDone(mark)}
exit 1`,
  judge: ({ exitCode, stderr }) => {
    if (exitCode === 0) return yes();
    return exitCode === 1 ? no('the former host key', 'the next one') : unknown(stderr.trim());
  },
  keyInPlace: () => fingerprint(KEY),
  // The public half is away meanwhile: some sshd would not do with one that belongs to another key, and all do without.
  // It comes last, and says that it is done.
  apply: (_, { mark }) => ({
    ...script(
      { text: RELOAD },
      sh`grep -q ${` ${mark}$`} ${NEXT}.pub || { echo 'the next host key is gone' >&2; exit 1; }
if [ -f ${NEXT} ]; then
  chmod --reference=${KEY} ${NEXT}
  chown --reference=${KEY} ${NEXT}
  case $(/usr/sbin/sshd -t -h ${NEXT} 2>&1) in *${NEXT}*) echo 'sshd does not take the next host key' >&2; exit 1 ;; esac
  ssh-keygen -y -f ${NEXT} | cut -d ' ' -f 2 | grep -qxF "$(cut -d ' ' -f 2 ${NEXT}.pub)"
  cp -p ${KEY} ${FORMER}
  rm -f ${KEY}.pub
  mv -f ${NEXT} ${KEY}
fi
if ! /usr/sbin/sshd -t || ! reload; then
  if [ -f ${FORMER} ]; then
    cp -p ${KEY} ${NEXT}
    mv -f ${FORMER} ${KEY}
    ssh-keygen -y -f ${KEY} > ${KEY}.pub
    reload || :
  fi
  echo 'sshd does not take the next host key, so the former one is back' >&2
  exit 1
fi
mv -f ${NEXT}.pub ${KEY}.pub
rm -f ${FORMER}
sync ${KEY} ${KEY}.pub`,
    ),
    saves: [KEY, `${KEY}.pub`],
  }),
  undo: 'restore',
  restored: () =>
    script(
      { text: RELOAD },
      sh`/usr/sbin/sshd -t
reload`,
    ),
});

/** Whoever comes anew is shown that key, and let in: only then is the host known by it. */
export const shownHostKey = operation('system.shownHostKey', Mark, {
  kind: 'check',
  timeout: 15_000,
  interval: () => 1_000,
  publishes: [HOST_KEY],
  probe: (_, { mark }) => ({
    shows: sh`grep -q ${` ${mark}$`} ${KEY}.pub || { echo 'the former host key' >&2; exit 1; }
${fingerprint(KEY)}`,
  }),
  judge: ({ exitCode, stdout, stderr }) =>
    exitCode === 0
      ? yes({ [HOST_KEY]: stdout.trim() })
      : no(stderr.trim() || 'the former host key', 'the next one, shown to whoever comes anew'),
});

/** The stages that give hosts another key to be known by. */
export function hostKeyStages(on: readonly HostSpec[], mark: string): readonly Stage[] {
  return [
    nextHostKey.over(on, 'make the next host key', { mark }),
    hostKey.over(on, 'put it in place of the host key', { mark }),
    shownHostKey.over(on, 'see the host key from outside', { mark }),
  ];
}
