import { globSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Place } from '../hosts.ts';
import { program } from '../program.ts';
import type { Step } from '../work.ts';
import type { Means, Rival } from './index.ts';

/**
 * ansible-core as those run it who want it fast: pipelining, 50 forks, connections kept, no facts gathered; and
 * `lineinfile`, which is one run of a module a task, where `copy` would be three or four.
 */
export function ansible({ bin, key, knownHosts, folder }: Means, { mitogen }: { readonly mitogen: boolean }): Rival {
  const place = join(folder, mitogen ? 'mitogen' : 'ansible');
  const strategies = globSync(join(bin, '../lib/python*/site-packages/ansible_mitogen/plugins/strategy'));
  mkdirSync(place, { recursive: true });
  writeFileSync(
    join(place, 'ansible.cfg'),
    [
      '[defaults]',
      'forks = 50',
      'gathering = explicit',
      'interpreter_python = /usr/bin/python3',
      `private_key_file = ${key}`,
      'retry_files_enabled = False',
      ...(mitogen ? ['strategy = mitogen_linear', `strategy_plugins = ${strategies[0]}`] : []),
      '[ssh_connection]',
      'pipelining = True',
      `ssh_args = -o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile=${knownHosts} -o HostKeyAlgorithms=ssh-ed25519`,
      `control_path_dir = ${place}/control`,
      '',
    ].join('\n'),
  );
  return {
    name: mitogen ? 'ansible + mitogen' : 'ansible',
    run: async (hosts, steps) => {
      writeFileSync(join(place, 'inventory.yml'), stringify({ all: { hosts: inventory(hosts) } }));
      writeFileSync(
        join(place, 'play.yml'),
        stringify([{ hosts: 'all', gather_facts: false, tasks: steps.map(task) }]),
      );
      const env = { ...process.env, ANSIBLE_CONFIG: join(place, 'ansible.cfg'), PATH: `${bin}:${process.env['PATH']}` };
      const began = performance.now();
      await program(join(bin, 'ansible-playbook'), ['-i', 'inventory.yml', 'play.yml'], { cwd: place, env });
      const seconds = (performance.now() - began) / 1_000;
      await forgotten(hosts, { place, key, env });
      return seconds;
    },
  };
}

const inventory = (hosts: readonly Place[]) =>
  Object.fromEntries(
    hosts.map(({ name, address, port }) => [name, { ansible_host: address, ansible_port: port, ansible_user: 'root' }]),
  );

const task = ({ name, path, line }: Step) => ({
  name,
  'ansible.builtin.lineinfile': {
    path,
    line,
    regexp: `^${line.split(' ').slice(0, 2).join(' ')} `,
    create: true,
    mode: '0644',
  },
});

/** Connections that are kept would make the next run another one. */
async function forgotten(
  hosts: readonly Place[],
  { place, key, env }: { readonly place: string; readonly key: string; readonly env: NodeJS.ProcessEnv },
): Promise<void> {
  for (const control of globSync(join(place, 'control/*')))
    await program('ssh', ['-O', 'exit', '-S', control, '-i', key, hosts[0]!.address], { env }).catch(() => {});
}
