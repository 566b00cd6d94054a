import { deviceOption, filesOption, jsonOption, kernelsOption, threadsOption, verifyDataOption, whole } from '../options.js';
import { defineCommand } from './command.js';

export const diff = defineCommand({
  usage: 'diff <a> <b>',
  summary: 'compare two runs: configs, data, code, and metrics with the interval of their difference',
  options: (y) =>
    y
      .positional('a', { type: 'string', demandOption: true, describe: 'run folder or checkpoint' })
      .positional('b', { type: 'string', demandOption: true, describe: 'another; differences are b − a' })
      .option('data', filesOption('what both predict, in place of the test of their configs'))
      .option('rows', whole('--rows', 10_000_000, 'rows that are predicted at the most, drawn from all'))
      .option('recorded', { type: 'boolean', describe: 'take what the runs measured when they ended and predict nothing anew: no intervals' })
      .conflicts('recorded', 'data')
      .option('verify-data', verifyDataOption)
      .option('device', deviceOption)
      .option('kernels', kernelsOption)
      .option('threads', threadsOption)
      .option('json', jsonOption)
      .example('$0 diff runs/esmm/001 runs/mmoe/001', '')
      .example('$0 diff runs/esmm/001 runs/esmm/002 --data tomorrow.csv', ''),
  async run({ a, b, data, rows, recorded, verifyData, device, threads, json }) {
    const { runDiff } = await import('../diff-command.js');
    return runDiff({ paths: [a, b], data, limit: rows, isRecorded: recorded === true, verifyData, device, threads, json });
  },
});
