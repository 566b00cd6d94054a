import type { Argv } from 'yargs';
import { jsonOption, setOption, threadsOption, verifyDataOption, whole } from './options.js';

/** What `mtl crosses` takes. */
export function crossesOptions(y: Argv) {
  return y
    .positional('config', { type: 'string', demandOption: true, describe: 'YAML file' })
    .option('set', setOption)
    .option('task', { type: 'string', requiresArg: true, describe: 'whose label is looked at; the first one where it is left out' })
    .option('top', whole('--top', 5, 'crosses at the most', 100))
    .option('rows', whole('--rows', 1_000_000, 'rows at the most, drawn from all'))
    .option('seed', whole('--seed', 2026, 'decides which rows are drawn', undefined, 0))
    .option('threads', threadsOption)
    .option('verify-data', verifyDataOption)
    .option('json', jsonOption)
    .example('$0 crosses my.yaml', '')
    .example('$0 crosses my.yaml --task cvr --top 3', '');
}
