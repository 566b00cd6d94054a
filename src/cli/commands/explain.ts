import {
  filesOption,
  getLogLevel,
  intOption,
  jsonOption,
  kernelsOption,
  logLevelOption,
  quietOption,
  rawOption,
} from '../options.js';
import { defineCommand } from './command.js';

export const explain = defineCommand({
  usage: 'explain <path>',
  summary: 'Print the weights of the items that a model attends to in a row',
  options: (y) =>
    y
      .positional('path', { type: 'string', demandOption: true, describe: 'Run directory or checkpoint' })
      .option(
        'data',
        filesOption('Data with the row; - for standard input; default: the test set, else the validation set'),
      )
      .option('format', {
        choices: ['csv', 'jsonl'] as const,
        describe: 'Format of --data; overrides data.format',
      })
      .option('row', intOption('--row', 1, 'Number of the row in the data, as mtl predict counts them'))
      .option('sort', {
        choices: ['weight', 'position'] as const,
        default: 'weight' as const,
        describe: 'Order of the items: largest weight first, or newest first',
      })
      .option('out', { type: 'string', requiresArg: true, describe: 'Output file: .svg (chart) or .json' })
      .option('raw', rawOption)
      .option('kernels', kernelsOption)
      .option('quiet', quietOption)
      .option('log-level', logLevelOption)
      .option('json', jsonOption)
      .example('$0 explain runs/latest --row 3', '')
      .example('$0 explain runs/latest --data today.csv --sort position --out attention.svg', ''),
  async run({ path, data, format, row, sort, out, raw, quiet, logLevel, json }) {
    const { runExplain } = await import('../explain-command.js');
    return runExplain({ path, data, format, row, sort, out, raw, level: getLogLevel({ quiet, logLevel }), json });
  },
});
