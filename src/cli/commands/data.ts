import { dataPath, jsonOption } from '../options.js';
import { defineCommand, defineCommandGroup } from './command.js';

const info = defineCommand({
  usage: 'info <path>',
  summary:
    'Describe the data of a config (label rates, missing values, out-of-vocabulary ids, drift, leaks), or a cache',
  options: (y) =>
    y.positional('path', dataPath).option('json', jsonOption).example('$0 data info configs/esmm.yaml', ''),
  async run({ path, json }) {
    const { runDataInfo } = await import('../data-command.js');
    return runDataInfo({ path, json });
  },
});

const clean = defineCommand({
  usage: 'clean <path>',
  summary: 'Remove cached rows; the next run reads the data again',
  options: (y) =>
    y
      .positional('path', dataPath)
      .option('stale', { type: 'boolean', default: false, describe: 'Remove only entries whose data changed' })
      .option('json', jsonOption)
      .example('$0 data clean data/ --stale', ''),
  async run({ path, stale, json }) {
    const { runDataClean } = await import('../data-command.js');
    return runDataClean({ path, stale, json });
  },
});

const cache = defineCommand({
  usage: 'cache [path]',
  summary: 'List cache entries with size and last use, or prune them',
  options: (y) =>
    y
      .positional('path', { ...dataPath, demandOption: false, default: '.' })
      .option('prune', {
        type: 'boolean',
        default: false,
        describe: 'Remove stale and superseded entries, and the least recently used beyond the limit; never one in use',
      })
      .option('max-size', {
        type: 'string',
        requiresArg: true,
        describe: 'With --prune: size limit per cache, as in 1GiB; default: MTL_CACHE_SIZE, else 10GiB',
      })
      .option('dry-run', {
        type: 'boolean',
        default: false,
        describe: 'With --prune: print what would be removed, without removing it',
      })
      .option('json', jsonOption)
      .example('$0 data cache', '')
      .example('$0 data cache --prune --max-size 1GiB', ''),
  async run({ path, prune, maxSize, dryRun, json }) {
    const { runDataCache } = await import('../cache-command.js');
    return runDataCache({ path, prune, maxSize, dryRun, json });
  },
});

export const data = defineCommandGroup('data', 'Describe data, and manage the cache of encoded rows', [
  info,
  cache,
  clean,
]);
