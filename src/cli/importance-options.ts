import type { Argv } from 'yargs';
import {
  deviceOption,
  filesOption,
  jsonOption,
  kernelsOption,
  threadsOption,
  verifyDataOption,
  intOption,
  optionalInt,
} from './options.js';

/** Declares the options of `mtl importance`. */
export function importanceOptions(y: Argv) {
  return y
    .positional('path', { type: 'string', demandOption: true, describe: 'Run directory or checkpoint' })
    .option('data', filesOption('Data to measure', 'the validation set, else the test set'))
    .option('rows', intOption('--rows', 1_000_000, 'Maximum number of rows, sampled from all'))
    .option('repeats', intOption('--repeats', 3, 'Permutations per field', 1000))
    .option('groups', { type: 'boolean', default: false, describe: 'Permute all fields of a feature group together' })
    .option('rank-by', {
      type: 'string',
      requiresArg: true,
      describe: 'Output to rank fields by; default: that of training.monitor',
    })
    .option('seed', intOption('--seed', 2026, 'Random seed of the sample and the permutations', undefined, 0))
    .option('out', { type: 'string', requiresArg: true, describe: 'Output file: .svg (bar chart), .json or .csv' })
    .option(
      'drop-worst',
      optionalInt('--drop-worst', 'Propose a config without this many of the least important fields'),
    )
    .option('config', {
      type: 'string',
      requiresArg: true,
      describe: 'Output file of the config for --drop-worst; default: standard output',
    })
    .option('verify-data', verifyDataOption)
    .option('device', deviceOption)
    .option('threads', threadsOption)
    .option('kernels', kernelsOption)
    .option('json', jsonOption)
    .example('$0 importance runs/latest --out importance.svg', '')
    .example('$0 importance runs/latest --drop-worst 3 --config smaller.yaml', '');
}
