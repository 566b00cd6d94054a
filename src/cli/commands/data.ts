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

export const data = defineCommandGroup('data', 'show and remove the encoded rows that runs keep beside the data', [info, clean]);
