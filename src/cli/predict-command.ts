import { monotonicMs } from '../system/clock.js';
import { EXIT_CODES, userError } from '../core/errors.js';
import { predict, type PredictOptions } from '../predict.js';
import type { RankOptions } from '../predict/top-rows.js';
import { count, duration, shareLine } from './format.js';
import { createOutput, type LogLevel } from './output.js';
import { runUntilSignal } from './signals.js';

export interface PredictArguments extends Pick<
  PredictOptions,
  | 'path'
  | 'data'
  | 'format'
  | 'keep'
  | 'prefix'
  | 'onBadRow'
  | 'cursor'
  | 'raw'
  | 'device'
  | 'threads'
  | 'precision'
  | 'tables'
> {
  readonly out: string;
  readonly top: number | undefined;
  readonly by: string | undefined;
  readonly rank: string | undefined;
  readonly level: LogLevel;
  readonly json: boolean;
}

/** Runs `mtl predict` and prints a summary. Returns the exit code. */
export async function runPredict({ out, top, by, rank, level, json, ...options }: PredictArguments): Promise<number> {
  const isStdout = out === '-';
  if (isStdout && json)
    throw userError('usage', {
      where: '--json',
      message: 'conflicts with --out -, which writes the rows to standard output',
      fix: 'write the rows to a file, or remove --json',
    });
  const { screen, warn, result } = createOutput(json || isStdout, level);
  const startMs = monotonicMs();
  return runUntilSignal(
    (signal) => warn(`${signal}: stopping without writing anything`),
    async (stop) => {
      const done = await predict({
        ...options,
        out: isStdout ? process.stdout : out,
        top: parseRanking(top, by, rank),
        groupBy: top === undefined ? by : undefined,
        onProgress: ({ what, share }) => screen.live(() => shareLine(what, share)),
        onWarning: warn,
        signal: stop.signal,
      }).catch((error: unknown) => {
        // The reader of the pipe closed it.
        if (isStdout && error instanceof Error && 'code' in error && error.code === 'EPIPE') return undefined;
        throw error;
      });
      if (done === undefined) return EXIT_CODES.done;
      if (done.rejectedRows > 0) warn(`${count(done.rejectedRows)} invalid rows have no prediction`);
      const elapsedMs = monotonicMs() - startMs;
      screen.print(
        `${count(done.rows)} rows in ${duration(elapsedMs)} (${count((done.rows / elapsedMs) * 1000)} ` +
          `rows/s)${isStdout ? '' : `, written to ${out}`}: ${done.columns.join(', ')}`,
      );
      if (!isStdout) result({ run: options.path, out, ...done });
      return EXIT_CODES.done;
    },
  );
}

function parseRanking(
  top: number | undefined,
  by: string | undefined,
  rank: string | undefined,
): RankOptions | undefined {
  if (top !== undefined && by !== undefined) return { count: top, by, rank };
  if (top !== undefined)
    throw userError('usage', {
      where: '--top',
      message: 'requires a group column',
      fix: 'add it, as in --group-by user',
    });
  if (rank !== undefined)
    throw userError('usage', {
      where: '--rank-by',
      message: 'requires --top',
      fix: 'add the number of rows per group, as in --top 10 --group-by user',
    });
  return undefined;
}
