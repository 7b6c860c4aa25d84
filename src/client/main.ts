import { run } from './cli.ts';
import { processIo } from './io.ts';

const argv = process.argv.slice(2);
process.exitCode = await run(argv, processIo(argv));
