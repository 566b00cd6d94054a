import { deviceOption, filesOption, jsonOption, kernelsOption, logLevelOf, logLevelOption, quietOption, rawOption, threadsOption, wholeOrNone } from '../options.js';
import { defineCommand } from './command.js';

export const predict = defineCommand({
  usage: 'predict <path>',
  summary: 'predict every row of some data with a run or a checkpoint',
  options: (y) =>
    y
      .positional('path', { type: 'string', demandOption: true, describe: 'run folder or checkpoint' })
      .option('data', { ...filesOption('CSV, JSON Lines, Parquet or shards, - for a text from standard input; labels are not needed'), demandOption: true })
      .option('format', { choices: ['csv', 'jsonl'] as const, describe: 'of --data, where it is a text; in place of data.format' })
      .option('out', { type: 'string', demandOption: true, requiresArg: true, describe: 'file to write: .csv, .csv.gz, .jsonl, .jsonl.gz or .parquet; - for CSV on standard output' })
      .option('keep', { type: 'string', array: true, requiresArg: true, default: [] as string[], describe: 'columns of the data that are written too, as they are; all for all of them' })
      .option('prefix', { type: 'string', default: '', describe: 'put before the names of predictions' })
      .option('top', wholeOrNone('--top', 'write only so many rows of each group, the best first'))
      .option('by', { type: 'string', requiresArg: true, describe: 'with --top: the column whose cells are the groups' })
      .option('rank', { type: 'string', requiresArg: true, describe: 'with --top: the prediction that decides which rows are the best; the last one where it is left out' })
      .option('on-bad-row', { choices: ['error', 'skip'] as const, describe: 'in place of data.onBadRow; skip leaves the prediction of a bad row empty' })
      .option('raw', rawOption)
      .option('device', deviceOption)
      .option('threads', threadsOption)
      .option('kernels', kernelsOption)
      .option('quiet', quietOption)
      .option('log-level', logLevelOption)
      .option('json', jsonOption)
      .example('$0 predict runs/latest --data today.csv --out scores.csv --keep user item', '')
      .example('cat today.jsonl | $0 predict runs/latest --data - --out - --keep all', '')
      .example('$0 predict runs/latest --data today.csv --out best.csv --top 10 --by user --keep item', ''),
  async run({ path, data, format, out, keep, prefix, top, by, rank, onBadRow, raw, device, threads, quiet, logLevel, json }) {
    const { runPredict } = await import('../predict-command.js');
    return runPredict({ path, data, format, out, keep, prefix, top, by, rank, onBadRow, raw, device, threads, level: logLevelOf({ quiet, logLevel }), json });
  },
});
