import type { Argv } from 'yargs';
import { jsonOption, setOption, threadsOption, verifyDataOption, intOption } from './options.js';

/** Declares the options of `mtl crosses`. */
export function crossesOptions(y: Argv) {
  return y
    .positional('config', { type: 'string', demandOption: true, describe: 'Config file (YAML)' })
    .option('set', setOption)
    .option('task', {
      type: 'string',
      requiresArg: true,
      describe: 'Task whose label to explain; default: the first task',
    })
    .option('top', intOption('--top', 5, 'Maximum number of crosses', 100))
    .option('rows', intOption('--rows', 1_000_000, 'Maximum number of rows, sampled from all'))
    .option('seed', intOption('--seed', 2026, 'Random seed of the sample', undefined, 0))
    .option('threads', threadsOption)
    .option('verify-data', verifyDataOption)
    .option('json', jsonOption)
    .example('$0 crosses my.yaml', '')
    .example('$0 crosses my.yaml --task cvr --top 3', '');
}
