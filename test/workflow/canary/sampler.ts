import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createInterface } from 'node:readline';

// A program of its own: looks at all processes of the machine as often as it can, until its stdin ends. Each line there
// holds more to look for, name → text; neither its arguments nor its environment do, or it would find itself.

/** One text in one process. */
export interface Sighting {
  readonly name: string;
  readonly file: 'cmdline' | 'environ';
  readonly namespace: string;
  readonly command: string;
}

const lines = createInterface({ input: process.stdin });
const wanted = new Map<string, string>();
const sightings = new Map<string, Sighting>();
/** Process → command line that was looked at. Forgotten when there is more to look for. */
const known = new Map<string, string>();
let sweeps = 0;
let isOver = false;

lines.on('line', (line) => {
  for (const [name, text] of Object.entries(JSON.parse(line) as Record<string, string>)) wanted.set(name, text);
  known.clear();
});
void sample();
lines.once('close', () => {
  isOver = true;
});

async function sample(): Promise<void> {
  while (!isOver) {
    for (const pid of readdirSync('/proc')) if (/^\d+$/.test(pid) && Number(pid) !== process.pid) look(pid);
    sweeps += 1;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  process.stdout.write(JSON.stringify({ sweeps, sightings: [...sightings.values()] }));
}

function look(pid: string): void {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
    // The environment is another one only where another program is.
    if (known.get(pid) === command) return;
    const environment = readFileSync(`/proc/${pid}/environ`, 'latin1');
    for (const [name, value] of wanted) {
      if (command.includes(value)) note(pid, name, 'cmdline');
      if (environment.includes(value)) note(pid, name, 'environ');
    }
    known.set(pid, command);
  } catch {
    // It ended meanwhile, or is the kernel's.
  }
}

function note(pid: string, name: string, file: Sighting['file']): void {
  const namespace = readlinkSync(`/proc/${pid}/ns/mnt`);
  const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').slice(0, 80);
  sightings.set(`${name} ${file} ${namespace} ${command}`, { name, file, namespace, command });
}
