import { RECIPE_NAMES } from '../../prepare/recipes.js';
import { jsonOption, logLevelOf, logLevelOption, perField, quietOption, shareOrZero, threadsOption, whole } from '../options.js';
import { defineCommand } from './command.js';

export const prepare = defineCommand({
  usage: 'prepare <data> <raw> <out>',
  summary: 'make a data set to train on out of raw files',
  options: (y) =>
    y
      .positional('data', { choices: ['ali-ccp'] as const, demandOption: true, describe: 'what the raw files are' })
      .positional('raw', { type: 'string', demandOption: true, describe: 'folder of sample_skeleton_{train,test}.csv and common_features_{train,test}.csv' })
      .positional('out', { type: 'string', demandOption: true, describe: 'new folder; one of an interrupted run is gone on with' })
      .option('min-count', perField('--min-count', 10, 'ids with fewer occurrences in train become 0, the unknown'))
      .option('cap', perField('--cap', 10, 'values of a row that a multi-valued field keeps, the heaviest'))
      .option('valid-share', shareOrZero('--valid-share', 0.1, "share of train's sessions that become valid"))
      .option('as', { choices: RECIPE_NAMES, describe: "as a paper did it, for its config in configs/compare: minimum counts, caps and what becomes valid are the paper's" })
      .option('max-bad-rows', whole('--max-bad-rows', 0, 'so many bad rows are dropped and listed in rejects.csv; one more is an error', undefined, 0))
      .option('seed', whole('--seed', 2026, 'decides which sessions become valid'))
      .option('threads', threadsOption)
      .option('quiet', quietOption)
      .option('log-level', logLevelOption)
      .option('json', jsonOption)
      .example('$0 prepare ali-ccp downloads/ data/ali-ccp', '')
      .example('$0 train data/ali-ccp/config.yaml', '')
      .example('$0 prepare ali-ccp downloads/ data/aitm --as aitm', ''),
  async run({ as: recipe, raw, out, minCount, cap, validShare, maxBadRows, seed, threads, quiet, logLevel, json }) {
    const { runPrepare } = await import('../prepare-command.js');
    return runPrepare({ raw, out, recipe, minCounts: minCount, caps: cap, validShare, maxBadRows, seed, threads, level: logLevelOf({ quiet, logLevel }), json });
  },
});
