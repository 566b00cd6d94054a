import { deviceOption, jsonOption, kernelsOption, setOption, threadsOption, whole } from '../options.js';
import { defineCommand } from './command.js';

export const check = defineCommand({
  usage: 'check <config>',
  summary: 'find all that is wrong with a config and its data, and take one step, without writing anything',
  options: (y) =>
    y
      .positional('config', { type: 'string', demandOption: true, describe: 'YAML file' })
      .option('set', setOption)
      .option('sample-rows', whole('--sample-rows', 100_000, 'about so many rows of each split are looked at, evenly over its files'))
      .option('device', deviceOption)
      .option('threads', threadsOption)
      .option('kernels', kernelsOption)
      .option('json', jsonOption)
      .example('$0 check configs/esmm.yaml', ''),
  async run({ config, set = [], sampleRows, device, threads, json }) {
    const { runCheck } = await import('../check-command.js');
    return runCheck({ path: config, set, sampleRows, device, threads, json });
  },
});
