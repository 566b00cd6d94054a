import { monotonicMs } from '../system/clock.js';
import { EXIT_CODES, userError } from '../core/errors.js';
import { predict, type PredictOptions } from '../predict.js';
import type { RankOptions } from '../predict/top-rows.js';
import { count, duration, shareLine } from './format.js';
import { createOutput, type LogLevel } from './output.js';
import { runUntilSignal } from './signals.js';

/** The arguments of `mtl predict`. */
export interface PredictArguments extends Pick<
  PredictOptions,
  'path' | 'data' | 'format' | 'keep' | 'prefix' | 'onBadRow' | 'raw' | 'device' | 'threads'
> {
  readonly out: string;
  readonly top: number | undefined;
  readonly by: string | undefined;
  readonly rank: string | undefined;
  readonly level: LogLevel;
  readonly json: boolean;
}

/** `mtl predict`: predicts, says what it wrote, and gives the exit code. */
export async function runPredict({ out, top, by, rank, level, json, ...options }: PredictArguments): Promise<number> {
  const isStdout = out === '-';
  if (isStdout && json)
    throw userError('usage', {
      where: '--json',
      message: 'wants standard output, which --out - takes for the rows',
      fix: 'write the rows to a file, or leave --json out',
    });
  const { screen, notice, result } = createOutput(json || isStdout, level);
  const startMs = monotonicMs();
  return runUntilSignal(
    (signal) => notice(`${signal}: stopping; nothing is written`),
    async (stop) => {
      const done = await predict({
        ...options,
        out: isStdout ? process.stdout : out,
        top: rankOf(top, by, rank),
        onProgress: ({ what, share }) => screen.live(() => shareLine(what, share)),
        onWarning: notice,
        signal: stop.signal,
      }).catch((error: unknown) => {
        // Whoever read the rows has seen enough.
        if (isStdout && error instanceof Error && 'code' in error && error.code === 'EPIPE') return undefined;
        throw error;
      });
      if (done === undefined) return EXIT_CODES.done;
      if (done.rejectedRows > 0) notice(`${count(done.rejectedRows)} bad rows have no prediction`);
      const elapsedMs = monotonicMs() - startMs;
      screen.print(
        `${count(done.rows)} rows in ${duration(elapsedMs)} (${count((done.rows / elapsedMs) * 1000)} rows/s)${isStdout ? '' : `, written to ${out}`}: ${done.columns.join(', ')}`,
      );
      if (!isStdout) result({ run: options.path, out, ...done });
      return EXIT_CODES.done;
    },
  );
}

function rankOf(top: number | undefined, by: string | undefined, rank: string | undefined): RankOptions | undefined {
  if (top !== undefined && by !== undefined) return { count: top, by, rank };
  if (top !== undefined)
    throw userError('usage', {
      where: '--top',
      message: 'needs the column whose cells are the groups',
      fix: 'name it, as in --group-by user',
    });
  const alone = by !== undefined ? '--group-by' : rank !== undefined ? '--rank-by' : undefined;
  if (alone !== undefined)
    throw userError('usage', {
      where: alone,
      message: 'is for --top alone',
      fix: 'say how many rows of a group are wanted, as in --top 10 --group-by user',
    });
  return undefined;
}
