import { RECIPE_NAMES } from '../../prepare/recipes.js';
import {
  jsonOption,
  getLogLevel,
  logLevelOption,
  perField,
  quietOption,
  fractionOption,
  threadsOption,
  intOption,
} from '../options.js';
import { defineCommand } from './command.js';

export const prepare = defineCommand({
  usage: 'prepare <data> <raw> <out>',
  summary: 'Convert raw data files into a training data set',
  options: (y) =>
    y
      .positional('data', { choices: ['ali-ccp'] as const, demandOption: true, describe: 'Raw data set' })
      .positional('raw', {
        type: 'string',
        demandOption: true,
        describe: 'Directory of sample_skeleton_{train,test}.csv and common_features_{train,test}.csv',
      })
      .positional('out', {
        type: 'string',
        demandOption: true,
        describe: 'Output directory; an interrupted run is resumed',
      })
      .option(
        'min-count',
        perField(
          '--min-count',
          10,
          'Minimum count of an id in the training set; rarer ids become 0 (out of vocabulary)',
        ),
      )
      .option('max-values', perField('--max-values', 10, 'Maximum values per row of a multi-valued field, by weight'))
      .option(
        'valid-share',
        fractionOption('--valid-share', 0.1, 'Fraction of training sessions in the validation set'),
      )
      .option('recipe', {
        choices: RECIPE_NAMES,
        describe:
          'Preprocessing of a paper, for its config in configs/compare: minimum counts, caps and validation split',
      })
      .option(
        'max-bad-rows',
        intOption('--max-bad-rows', 0, 'Maximum number of invalid rows, which are listed in rejects.csv', undefined, 0),
      )
      .option('seed', intOption('--seed', 2026, 'Random seed of the validation split'))
      .option('threads', threadsOption)
      .option('quiet', quietOption)
      .option('log-level', logLevelOption)
      .option('json', jsonOption)
      .example('$0 prepare ali-ccp downloads/ data/ali-ccp', '')
      .example('$0 train data/ali-ccp/config.yaml', '')
      .example('$0 prepare ali-ccp downloads/ data/aitm --recipe aitm', ''),
  async run({ recipe, raw, out, minCount, maxValues, validShare, maxBadRows, seed, threads, quiet, logLevel, json }) {
    const { runPrepare } = await import('../prepare-command.js');
    return runPrepare({
      raw,
      out,
      recipe,
      minCounts: minCount,
      caps: maxValues,
      validShare,
      maxBadRows,
      seed,
      threads,
      level: getLogLevel({ quiet, logLevel }),
      json,
    });
  },
});
