/** Receives one line of plain text for a person; called at least every two seconds while something is under way. */
export type Progress = (line: string) => void;

const QUIET_MS = 1_500;

/**
 * Does `work` under a title. While it lasts, the title is repeated with the elapsed seconds and the latest detail,
 * so that nobody has to wonder whether a build of two minutes hangs.
 */
export async function step<T>(progress: Progress, title: string, work: (detail: Progress) => Promise<T>): Promise<T> {
  const started = Date.now();
  let latest = '';
  progress(title);
  const timer = setInterval(() => {
    const seconds = Math.round((Date.now() - started) / 1_000);
    progress(`${title} (${seconds} s)${latest ? ` ${latest}` : ''}`);
  }, QUIET_MS);
  try {
    return await work((line) => {
      latest = line.trim().slice(0, 100) || latest;
    });
  } finally {
    clearInterval(timer);
  }
}
