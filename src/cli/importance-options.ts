import type { Argv } from 'yargs';
import { deviceOption, filesOption, jsonOption, kernelsOption, threadsOption, verifyDataOption, whole, wholeOrNone } from './options.js';

/** What `mtl importance` takes. */
export function importanceOptions(y: Argv) {
  return y
    .positional('path', { type: 'string', demandOption: true, describe: 'run folder or checkpoint' })
    .option('data', filesOption("CSV, Parquet or shards in place of the config's valid, or test where it has none"))
    .option('rows', whole('--rows', 1_000_000, 'rows at the most, drawn from all'))
    .option('repeats', whole('--repeats', 3, 'permutations of each field', 1000))
    .option('groups', { type: 'boolean', default: false, describe: 'permute all fields of a group of features together' })
    .option('rank', { type: 'string', requiresArg: true, describe: 'the space that decides which field counts more; that of training.monitor where it is left out' })
    .option('seed', whole('--seed', 2026, 'decides which rows are drawn and how they are permuted', undefined, 0))
    .option('out', { type: 'string', requiresArg: true, describe: 'file to write: .svg for a bar chart, .json or .csv' })
    .option('drop-worst', wholeOrNone('--drop-worst', 'propose a config without so many fields, those that count least'))
    .option('config', { type: 'string', requiresArg: true, describe: 'with --drop-worst: file for that config; printed where it is left out' })
    .option('verify-data', verifyDataOption)
    .option('device', deviceOption)
    .option('threads', threadsOption)
    .option('kernels', kernelsOption)
    .option('json', jsonOption)
    .example('$0 importance runs/latest --out importance.svg', '')
    .example('$0 importance runs/latest --drop-worst 3 --config smaller.yaml', '');
}
