import {
  deviceOption,
  filesOption,
  jsonOption,
  kernelsOption,
  threadsOption,
  verifyDataOption,
  intOption,
} from '../options.js';
import { defineCommand } from './command.js';

export const diff = defineCommand({
  usage: 'diff <a> <b>',
  summary: 'Compare two runs: configs, data, code, and metrics with confidence intervals',
  options: (y) =>
    y
      .positional('a', { type: 'string', demandOption: true, describe: 'Run directory or checkpoint' })
      .positional('b', {
        type: 'string',
        demandOption: true,
        describe: 'Run directory or checkpoint to compare; differences are b − a',
      })
      .option('data', filesOption('Data to predict; default: the test set of their configs'))
      .option('rows', intOption('--rows', 10_000_000, 'Maximum number of rows, sampled from all'))
      .option('use-recorded', { type: 'boolean', describe: 'Compare the metrics recorded by the runs; no intervals' })
      .conflicts('use-recorded', 'data')
      .option('verify-data', verifyDataOption)
      .option('device', deviceOption)
      .option('kernels', kernelsOption)
      .option('threads', threadsOption)
      .option('json', jsonOption)
      .example('$0 diff runs/esmm/001 runs/mmoe/001', '')
      .example('$0 diff runs/esmm/001 runs/esmm/002 --data tomorrow.csv', ''),
  async run({ a, b, data, rows, useRecorded, verifyData, device, threads, json }) {
    const { runDiff } = await import('../diff-command.js');
    return runDiff({
      paths: [a, b],
      data,
      limit: rows,
      isRecorded: useRecorded === true,
      verifyData,
      device,
      threads,
      json,
    });
  },
});
