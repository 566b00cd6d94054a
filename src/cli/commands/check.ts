import { deviceOption, jsonOption, kernelsOption, setOption, threadsOption, intOption } from '../options.js';
import { defineCommand } from './command.js';

export const check = defineCommand({
  usage: 'check <config>',
  summary: 'Report every problem of a config and its data, and take one training step; writes nothing',
  options: (y) =>
    y
      .positional('config', { type: 'string', demandOption: true, describe: 'Config file (YAML)' })
      .option('set', setOption)
      .option('sample-rows', intOption('--sample-rows', 100_000, 'Approximate number of rows to sample per split'))
      .option('follow', {
        type: 'boolean',
        default: false,
        describe: 'Check data.train as a stream, as mtl train --follow reads it: the records that it has at present',
      })
      .option('device', deviceOption)
      .option('threads', threadsOption)
      .option('kernels', kernelsOption)
      .option('json', jsonOption)
      .example('$0 check configs/esmm.yaml', ''),
  async run({ config, set = [], sampleRows, follow, device, threads, json }) {
    const { runCheck } = await import('../check-command.js');
    return runCheck({ path: config, set, sampleRows, follow, device, threads, json });
  },
});
