import { crossesOptions } from '../crosses-options.js';
import { defineCommand } from './command.js';

export const crosses = defineCommand({
  usage: 'crosses <config>',
  summary: 'Find column pairs whose combination predicts a label better than the columns alone',
  options: crossesOptions,
  async run({ config, set = [], task, top, rows, seed, threads, verifyData, json }) {
    const { runCrosses } = await import('../crosses-command.js');
    return runCrosses({ config, set, task, top, rows, seed, threads, verifyData, json });
  },
});
