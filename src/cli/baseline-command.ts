import { trainTrees } from '../baseline.js';
import { loadConfig } from '../config/load.js';
import { parseOverride } from '../config/overrides.js';
import { EXIT_CODES, quoted, userError } from '../core/errors.js';
import { count, reportTable, shareLine, table } from './format.js';
import { createOutput, type LogLevel } from './output.js';
import { runUntilSignal } from './signals.js';
import { writeReport } from './train-command.js';

export interface BaselineArguments {
  readonly config: string;
  readonly set: readonly string[];
  readonly rounds: number | undefined;
  readonly patience: number;
  readonly folds: number | undefined;
  /** LightGBM parameters, as in num_leaves=63. */
  readonly param: readonly string[];
  readonly threads: number | undefined;
  readonly name: string | undefined;
  readonly runDir: string | undefined;
  readonly verifyData: boolean;
  /** Whether to write report.html at the end. */
  readonly report: boolean;
  readonly level: LogLevel;
  readonly json: boolean;
}

/** Runs `mtl baseline` and prints the metrics of the trees. Returns the exit code. */
export async function runBaseline({
  config,
  set,
  param,
  report,
  level,
  json,
  ...options
}: BaselineArguments): Promise<number> {
  const { screen, warn, result } = createOutput(json, level);
  const params = Object.fromEntries(param.map(parseParam));
  return runUntilSignal(
    (signal) => warn(`${signal}: stopping`),
    async (stop) => {
      const loaded = await loadConfig(config, set.map(parseOverride));
      const trained = await trainTrees(loaded, {
        ...options,
        params,
        overrides: set,
        onProgress: ({ what, share }) => screen.live(() => shareLine(what, share)),
        onWarning: warn,
        signal: stop.signal,
      });
      const trees = Object.entries(trained.trees).map(([task, number]) => [task, count(number)]);
      screen.print(table(['task', 'trees'], trees, screen));
      for (const [split, metrics] of Object.entries(trained.metrics))
        screen.print(`${screen.bold(split)}\n${reportTable(split, metrics, screen)}`);
      screen.print(`run directory ${trained.run}`);
      if (report) await writeReport(trained.run, loaded.experiment, screen.print, warn);
      result(trained);
      return EXIT_CODES.done;
    },
  );
}

function parseParam(text: string): readonly [string, string] {
  const at = text.indexOf('=');
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw userError('usage', {
    where: '--param',
    message: `expected a LightGBM parameter as in num_leaves=63, found ${quoted(text)}`,
  });
}
