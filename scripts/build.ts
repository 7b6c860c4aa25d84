import { execFileSync } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';

// Node runs the sources of a checkout as they are, but refuses to strip types below node_modules: the package holds this.
const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');

rmSync(dist, { recursive: true, force: true });
execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', join(root, 'tsconfig.build.json')], { stdio: 'inherit' });
// Scripts, Dockerfiles and the like, which stand beside the code that uses them.
cpSync(join(root, 'src'), dist, { recursive: true, filter: (file) => !file.endsWith('.ts') });
