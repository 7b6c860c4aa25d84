import fc from 'fast-check';

/** Called by whatever is executed that should only have been a value; tests look for whether it was. */
export const CANARY = 'farweave_canary';

/** Pieces that end a quotation, begin a command or are taken for an option, and pieces that get lost on the way. */
const PIECES = [
  `'`,
  `"`,
  '\\',
  '`',
  '$',
  `$(${CANARY})`,
  `\`${CANARY}\``,
  `';${CANARY};'`,
  `";${CANARY};"`,
  `'"'"'`,
  `\${x:-$(${CANARY})}`,
  `\n${CANARY}\n`,
  `\r\n`,
  `;${CANARY}`,
  `&&${CANARY}`,
  `|${CANARY}`,
  `& ${CANARY} &`,
  `<(${CANARY})`,
  `>${CANARY}`,
  `$((1))`,
  '-rf',
  '--',
  '-',
  '#',
  '~',
  '*',
  '?[a-z]',
  '{a,b}',
  '!!',
  '%s%n',
  '=',
  ' ',
  '  ',
  '\t',
  '\u0001',
  '\u0007',
  '\u001b[2J',
  '\u007f',
  '\u0085',
  '\u2028',
  '\u202e',
  'é',
  '\ufeff',
  '\u{1f600}',
  'EOF',
  'done',
  'fi',
  '\\0',
  '\\n',
  '{{.Names}}',
  '</script>',
  'x'.repeat(200),
];

/** Text that no shell may ever take for anything but a value. Without NUL, which no shell can hold. */
export const hostile: fc.Arbitrary<string> = fc
  .oneof(
    { weight: 6, arbitrary: fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 6 }) },
    { weight: 2, arbitrary: fc.tuple(anything(60)) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.constantFrom(...PIECES), fc.nat(40_000))
        .map(([piece, n]) => [piece.repeat(n / piece.length)]),
    },
  )
  .map((pieces) => pieces.join('').replaceAll('\0', '').toWellFormed());

/** Any characters at all. */
export function anything(maxLength: number): fc.Arbitrary<string> {
  return fc.array(fc.nat(0x10ffff), { maxLength }).map((codes) => String.fromCodePoint(...codes));
}

/** How often properties are tried: `FARWEAVE_RUNS=20` for twenty times as often. */
export const runs = (times: number) => Math.ceil(times * Number(process.env.FARWEAVE_RUNS ?? 1));
