import { type Command, holds, type Output, type Script, script, sh, writing } from '../../ssh/command.ts';
import { no, type Verdict, yes } from '../operation.ts';

/** A systemd service of ours. */
export interface Service {
  /** With its suffix: `farweave-dns.service`. */
  readonly unit: string;
  readonly content: string;
  /** The unit that takes it along. */
  readonly wantedBy: string;
}

/** Says, a line each, what is amiss with a service. Says nothing where it runs as wanted. */
export function serviceAmiss({ unit, content }: Service): Command {
  return sh`if ! ${holds(fileOf(unit), content)}; then echo ${`no such ${unit}`}
elif [ "$(systemctl show --property NeedDaemonReload --value ${unit})" != no ]; then echo ${`${unit} not loaded`}; fi
if ! systemctl is-enabled -q ${unit} 2>/dev/null; then echo ${`${unit} not enabled`}; fi
if ! systemctl is-active -q ${unit}; then echo ${`${unit} not running`}; fi`;
}

/** Writes the unit, has it started at boot, and starts it anew. The link that boot follows is kept for an undo as well. */
export function serving({ unit, content, wantedBy }: Service): Script {
  const link = `/etc/systemd/system/${wantedBy}.wants/${unit}`;
  const start = script(
    writing(fileOf(unit), content),
    sh`systemctl daemon-reload`,
    sh`systemctl enable -q ${unit}`,
    sh`systemctl reset-failed ${unit} 2>/dev/null || :`,
    sh`systemctl restart ${unit}`,
  );
  return { ...start, saves: [fileOf(unit), link] };
}

/** After an undo: the service as it was, or none. */
export function serviceRestored(unit: string): Script {
  return sh`if [ ! -e ${fileOf(unit)} ]; then systemctl stop ${unit} 2>/dev/null || :; fi
systemctl daemon-reload
if [ -e ${fileOf(unit)} ]; then systemctl restart ${unit}; fi`;
}

/** Of a probe that says, a line each, what is amiss. */
export function judgeAmiss({ stdout }: Pick<Output, 'stdout'>, wanted: string): Verdict {
  const amiss = stdout.split('\n').filter(Boolean);
  return amiss.length === 0 ? yes() : no(amiss.join(', '), wanted);
}

const fileOf = (unit: string) => `/etc/systemd/system/${unit}`;
