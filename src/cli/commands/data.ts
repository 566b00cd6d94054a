import { dataPath, jsonOption } from '../options.js';
import { defineCommand, defineCommandGroup } from './command.js';

const info = defineCommand({
  usage: 'info <path>',
  summary: 'describe the data of a config (rates, blanks, unknown ids, drift, leaks), or show what is kept of data',
  options: (y) => y.positional('path', dataPath).option('json', jsonOption),
  async run({ path, json }) {
    const { runDataInfo } = await import('../data-command.js');
    return runDataInfo({ path, json });
  },
});

const clean = defineCommand({
  usage: 'clean <path>',
  summary: 'remove what is kept; the next run reads the data again',
  options: (y) => y.positional('path', dataPath).option('stale', { type: 'boolean', default: false, describe: 'only what no longer fits its data' }).option('json', jsonOption),
  async run({ path, stale, json }) {
    const { runDataClean } = await import('../data-command.js');
    return runDataClean({ path, stale, json });
  },
});

const cache = defineCommand({
  usage: 'cache [path]',
  summary: 'show what runs keep of data, with sizes and last use; with --prune, remove what no run needs',
  options: (y) =>
    y
      .positional('path', { ...dataPath, demandOption: false, default: '.' })
      .option('prune', { type: 'boolean', default: false, describe: 'remove entries whose files changed or are gone, superseded ones, and the least recently used beyond the limit; never one in use' })
      .option('max-size', { type: 'string', requiresArg: true, describe: 'with --prune: limit of each cache, as in 1GiB; default: MTL_CACHE_SIZE, else 10GiB' })
      .option('dry-run', { type: 'boolean', default: false, describe: 'with --prune: only say what would be removed' })
      .option('json', jsonOption)
      .example('$0 data cache --prune --max-size 1GiB', ''),
  async run({ path, prune, maxSize, dryRun, json }) {
    const { runDataCache } = await import('../cache-command.js');
    return runDataCache({ path, prune, maxSize, dryRun, json });
  },
});

export const data = defineCommandGroup('data', 'describe data, and show or remove what runs keep of it', [info, cache, clean]);
