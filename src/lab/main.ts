import { down, up } from './lab.ts';

const p = (l: string) => console.log(new Date().toISOString().slice(14, 19), l);
try {
  if (process.argv[2] === 'up') console.log(JSON.stringify(await up({ progress: p }), null, 1));
  if (process.argv[2] === 'down') await down({ progress: p });
} catch (e) {
  console.error(e);
  process.exit(1);
}
