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
  async run({
    path,
    data,
    format,
    out,
    keep,
    prefix,
    top,
    groupBy,
    rankBy,
    onBadRow,
    cursor,
    raw,
    device,
    threads,
    precision,
    tables,
    quiet,
    logLevel,
    json,
  }) {
    const { runPredict } = await import('../predict-command.js');
    return runPredict({
      path,
      data,
      format,
      out,
      keep,
      prefix,
      top,
      by: groupBy,
      rank: rankBy,
      onBadRow,
      cursor,
      raw,
      device,
      threads,
      precision,
      tables,
      level: getLogLevel({ quiet, logLevel }),
      json,
    });
  },
});
