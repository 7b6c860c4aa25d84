/** What was looked for, and whether it was so. */
export class Checks {
  passed = 0;
  failed = 0;

  ok(what: string, holds: boolean, detail: unknown = ''): void {
    if (holds) this.passed++;
    else this.failed++;
    const more = holds || detail === '' ? '' : `: ${typeof detail === 'string' ? detail : JSON.stringify(detail)}`;
    console.log(`${holds ? 'ok  ' : 'FAIL'} ${what}${more}`);
  }
}

/** How long something took, in whole seconds. */
export async function timed<T>(act: () => Promise<T>): Promise<readonly [T, number]> {
  const began = Date.now();
  const result = await act();
  return [result, Math.round((Date.now() - began) / 1000)];
}
