import {
  deviceOption,
  filesOption,
  jsonOption,
  kernelsOption,
  rawOption,
  tablesOption,
  threadsOption,
  verifyDataOption,
} from '../options.js';
import { defineCommand } from './command.js';

export const evaluate = defineCommand({
  usage: 'eval <path>',
  summary: 'Compute the metrics of a run or checkpoint',
  options: (y) =>
    y
      .positional('path', { type: 'string', demandOption: true, describe: 'Run directory or checkpoint' })
      .option('data', filesOption("Data to measure, in place of the config's"))
      .option('segment-by', {
        type: 'string',
        requiresArg: true,
        describe: "Segment column: repeat every metric per value; replaces the config's (repeatable)",
        coerce: (value: string | readonly string[]): readonly string[] => [value].flat(),
      })
      .option('raw', rawOption)
      .option('tables', { ...tablesOption, describe: 'Embedding tables to compare with f32: fp16 or int8' })
      .option('device', deviceOption)
      .option('threads', threadsOption)
      .option('kernels', kernelsOption)
      .option('verify-data', verifyDataOption)
      .option('json', jsonOption)
      .example('$0 eval runs/latest', '')
      .example('$0 eval runs/latest --data tomorrow.csv --segment-by country', ''),
  async run({ path, data, segmentBy, raw, tables, device, threads, verifyData, json }) {
    const { runEval } = await import('../eval-command.js');
    return runEval({ path, data, by: segmentBy, raw, tables, device, threads, verifyData, json });
  },
});
