import { once } from 'node:events';
import { board } from '../board.js';
import { EXIT_CODES, printable } from '../core/errors.js';
import { runsRoot } from '../runs/runs-root.js';
import { isLoopback } from './loopback.js';
import { createOutput } from './output.js';
import { runUntilSignal } from './signals.js';

/** Runs `mtl board` until a signal ends it. Returns the exit code. */
export async function runBoard({
  runs,
  host,
  port,
  json,
}: {
  readonly runs: string | undefined;
  readonly host: string;
  readonly port: number;
  readonly json: boolean;
}): Promise<number> {
  const { screen, warn, result } = createOutput(json);
  return runUntilSignal(
    () => undefined,
    async ({ signal }) => {
      const { url, close } = await board({
        root: runs ?? runsRoot(),
        host,
        port,
        onBug: (text) => void process.stderr.write(`This is a bug in mtl, please report it:\n${printable(text)}\n`),
      });
      screen.print(`open ${url} in a browser; Ctrl-C ends it`);
      if (!isLoopback(host)) warn(`anyone who can reach ${host} can see the runs`);
      result({ url });
      if (!signal.aborted) await once(signal, 'abort');
      await close();
      return EXIT_CODES.done;
    },
  );
}
