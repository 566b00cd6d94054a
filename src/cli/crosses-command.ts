import { parseOverride } from '../config/overrides.js';
import { loadConfig } from '../config/load.js';
import { findCrosses, type CrossesResult } from '../crosses.js';
import { EXIT_CODES } from '../core/errors.js';
import { count, percent, shareLine, table } from './format.js';
import { createOutput } from './output.js';
import type { Terminal } from './terminal.js';
import { runUntilSignal } from './signals.js';

/** The arguments of `mtl crosses`. */
export interface CrossesArguments {
  readonly config: string;
  readonly set: readonly string[];
  readonly task: string | undefined;
  readonly top: number;
  readonly rows: number;
  readonly seed: number;
  readonly threads: number | undefined;
  readonly verifyData: boolean;
  readonly json: boolean;
}

/** `mtl crosses`: looks for them, prints what they add and a group of features to paste, and gives the exit code. */
export async function runCrosses({ config, set, json, ...options }: CrossesArguments): Promise<number> {
  const { experiment } = await loadConfig(config, set.map(parseOverride));
  const { screen, notice, result } = createOutput(json);
  return runUntilSignal(
    (signal) => screen.print(`${signal}: stopping`),
    async (stop) => {
      const found = await findCrosses({
        experiment,
        ...options,
        onWarning: notice,
        onProgress: ({ what, share }) => screen.live(() => shareLine(what, share)),
        signal: stop.signal,
      });
      screen.print(
        `${found.task}: ${count(found.rows)} rows, of ${count(found.totalRows)} of train; ${count(found.pairs)} pairs of columns; log loss ${found.loss.toFixed(4)} without any`,
      );
      screen.print(
        found.crosses.length === 0
          ? 'no pair says more together than both columns for themselves, as far as these rows can tell'
          : `${crossTable(found, screen)}\n\n${found.yaml.trimEnd()}`,
      );
      result({ config, ...found });
      return EXIT_CODES.done;
    },
  );
}

/** What each adds beyond all fields and the crosses above it. */
function crossTable({ crosses, loss }: CrossesResult, screen: Terminal): string {
  const rows = crosses.map(({ columns, logLossGain: gain, zScore: z, combinations }) => [
    columns.join(' × '),
    (-gain).toFixed(5),
    percent(gain / loss),
    z.toFixed(1),
    count(combinations),
  ]);
  return table(['columns', 'log loss', 'of it', 'deviations', 'combinations'], rows, screen);
}
