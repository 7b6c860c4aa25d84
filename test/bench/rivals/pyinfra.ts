import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { program } from '../program.ts';
import type { Means, Rival } from './index.ts';

/**
 * pyinfra over all hosts at once, with host keys checked. `files.line` asks once and changes with one command, where
 * `files.put` would transfer a file over SFTP.
 */
export function pyinfra({ bin, key, knownHosts, folder }: Means): Rival {
  const place = join(folder, 'pyinfra');
  mkdirSync(place, { recursive: true });
  return {
    name: 'pyinfra',
    run: async (hosts, steps) => {
      const login = { ssh_user: 'root', ssh_key: key, ssh_known_hosts_file: knownHosts };
      const inventory = hosts.map(({ name, address, port }) => [
        name,
        { ...login, ssh_hostname: address, ssh_port: port },
      ]);
      writeFileSync(
        join(place, 'inventory.py'),
        `import json\nhosts = [tuple(host) for host in json.loads(r'''${JSON.stringify(inventory)}''')]\n`,
      );
      writeFileSync(
        join(place, 'deploy.py'),
        [
          'import json',
          'from pyinfra.operations import files',
          `for step in json.loads(r'''${JSON.stringify(steps)}'''):`,
          '    start = " ".join(step["line"].split(" ")[:2])',
          '    files.line(name=step["name"], path=step["path"], line=f"^{start} .*$", replace=step["line"])',
          '',
        ].join('\n'),
      );
      const began = performance.now();
      await program(join(bin, 'pyinfra'), ['inventory.py', 'deploy.py', '-y', '--parallel', '100'], { cwd: place });
      return (performance.now() - began) / 1_000;
    },
  };
}
