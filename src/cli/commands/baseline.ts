import {
  getLogLevel,
  intOption,
  jsonOption,
  logLevelOption,
  optionalInt,
  quietOption,
  reportOption,
  setOption,
  threadsOption,
  verifyDataOption,
} from '../options.js';
import { defineCommand } from './command.js';

export const baseline = defineCommand({
  usage: 'baseline <config>',
  summary: 'Train boosted trees (LightGBM) on the rows and features of a config, to compare models with',
  options: (y) =>
    y
      .positional('config', { type: 'string', demandOption: true, describe: 'Config file (YAML)' })
      .option('set', setOption)
      .option(
        'rounds',
        optionalInt('--rounds', 'Maximum number of trees per task; default: 1000, or 100 without data.valid'),
      )
      .option('patience', intOption('--patience', 50, 'Trees without improvement on the validation set before the end'))
      .option(
        'folds',
        optionalInt('--folds', 'Models without a part of the training rows each, for distillation', 100, 2),
      )
      .option('param', {
        type: 'string',
        requiresArg: true,
        describe: 'LightGBM parameter, as in num_leaves=63 (repeatable)',
        coerce: (value: string | readonly string[]): readonly string[] => [value].flat(),
      })
      .option('threads', threadsOption)
      .option('name', { type: 'string', requiresArg: true, describe: 'Run name, in place of the next number' })
      .conflicts('name', 'run-dir')
      .option('run-dir', { type: 'string', requiresArg: true, describe: 'Run directory' })
      .option('verify-data', verifyDataOption)
      .option('report', reportOption)
      .option('quiet', quietOption)
      .option('log-level', logLevelOption)
      .option('json', jsonOption)
      .example('$0 baseline configs/esmm.yaml', '')
      .example('$0 baseline configs/esmm.yaml --param num_leaves=63 --param learning_rate=0.05', ''),
  async run({ set = [], param = [], quiet, logLevel, ...options }) {
    const { runBaseline } = await import('../baseline-command.js');
    return runBaseline({ ...options, set, param, level: getLogLevel({ quiet, logLevel }) });
  },
});
