import { EXIT_CODES, userError } from '../../core/errors.js';
import type { RankOptions } from '../../predict/top-rows.js';
import { monotonicMs } from '../../system/clock.js';
import { count, duration, shareLine } from '../format.js';
import { createOutput } from '../output.js';
import { runUntilSignal } from '../signals.js';
import {
  deviceOption,
  filesOption,
  jsonOption,
  kernelsOption,
  precisionOption,
  getLogLevel,
  logLevelOption,
  quietOption,
  rawOption,
  tablesOption,
  threadsOption,
  optionalInt,
} from '../options.js';
import { defineCommand } from './command.js';

export const predict = defineCommand({
  usage: 'predict <path>',
  summary: 'Predict every row of a data set',
  options: (y) =>
    y
      .positional('path', { type: 'string', demandOption: true, describe: 'Run directory or checkpoint' })
      .option('data', {
        ...filesOption('Data to predict, with or without labels (- for standard input)'),
        demandOption: true,
      })
      .option('format', {
        choices: ['csv', 'jsonl'] as const,
        describe: 'Format of --data; overrides data.format',
      })
      .option('out', {
        type: 'string',
        demandOption: true,
        requiresArg: true,
        describe: 'Output file: .csv, .csv.gz, .jsonl, .jsonl.gz or .parquet; - for CSV on standard output',
      })
      .option('keep', {
        type: 'string',
        array: true,
        requiresArg: true,
        default: [] as string[],
        describe: 'Input columns to copy to the output; all copies every column',
      })
      .option('prefix', { type: 'string', default: '', describe: 'Prefix of prediction columns' })
      .option('top', optionalInt('--top', 'Write only the top rows of each group, best first'))
      .option('group-by', {
        type: 'string',
        requiresArg: true,
        describe: 'Column of the user: with --top, groups rows; else speeds up consecutive rows of one user',
      })
      .option('rank-by', {
        type: 'string',
        requiresArg: true,
        describe: 'With --top: prediction to rank by; default: the last one',
      })
      .option('on-bad-row', {
        choices: ['error', 'skip'] as const,
        describe: 'Policy for invalid rows, overrides data.onBadRow; skip leaves their predictions empty',
      })
      .option('cursor', {
        type: 'string',
        requiresArg: true,
        describe: 'File with the end of the predicted rows: predict only rows after it, and update it',
      })
      .option('raw', rawOption)
      .option('device', deviceOption)
      .option('threads', threadsOption)
      .option('kernels', kernelsOption)
      .option('precision', precisionOption)
      .option('tables', tablesOption)
      .option('quiet', quietOption)
      .option('log-level', logLevelOption)
      .option('json', jsonOption)
      .example('$0 predict runs/latest --data today.csv --out scores.csv --keep user item', '')
      .example('cat today.jsonl | $0 predict runs/latest --data - --out - --keep all', '')
      .example('$0 predict runs/latest --data today.csv --out best.csv --top 10 --group-by user --keep item', '')
      .example('$0 predict runs/latest --data today.csv --out scores.csv --group-by user --keep item', ''),
  async run({ out, top, groupBy, rankBy, quiet, logLevel, json, ...args }) {
    const isStdout = out === '-';
    if (isStdout && json)
      throw userError('usage', {
        where: '--json',
        message: 'conflicts with --out -, which writes the rows to standard output',
        fix: 'write the rows to a file, or remove --json',
      });
    const { predict: predictRows } = await import('../../predict.js');
    const { screen, warn, result } = createOutput(json || isStdout, getLogLevel({ quiet, logLevel }));
    const startMs = monotonicMs();
    return runUntilSignal(
      (received) => warn(`${received}: stopping without writing anything`),
      async ({ signal }) => {
        const { path, data, format, keep, prefix, onBadRow, cursor, raw, device, threads, precision, tables } = args;
        const done = await predictRows({
          ...{ path, data, format, keep, prefix, onBadRow, cursor, raw, device, threads, precision, tables, signal },
          out: isStdout ? process.stdout : out,
          top: parseRanking(top, groupBy, rankBy),
          groupBy: top === undefined ? groupBy : undefined,
          onProgress: ({ what, share }) => screen.live(() => shareLine(what, share)),
          onWarning: warn,
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
        if (!isStdout) result({ run: path, out, ...done });
        return EXIT_CODES.done;
      },
    );
  },
});

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
