import { deviceOption, filesOption, jsonOption, kernelsOption, rawOption, threadsOption, verifyDataOption } from '../options.js';
import { defineCommand } from './command.js';

export const evaluate = defineCommand({
  usage: 'eval <path>',
  summary: 'measure a run or a checkpoint',
  options: (y) =>
    y
      .positional('path', { type: 'string', demandOption: true, describe: 'run folder or checkpoint' })
      .option('data', filesOption("CSV, Parquet or shards in place of the config's data"))
      .option('by', { type: 'string', requiresArg: true, describe: "column by whose values all is measured once more, in place of the config's; repeatable", coerce: (value: string | readonly string[]): readonly string[] => [value].flat() })
      .option('raw', rawOption)
      .option('device', deviceOption)
      .option('threads', threadsOption)
      .option('kernels', kernelsOption)
      .option('verify-data', verifyDataOption)
      .option('json', jsonOption)
      .example('$0 eval runs/latest', ''),
  async run({ path, data, by, raw, device, threads, verifyData, json }) {
    const { runEval } = await import('../eval-command.js');
    return runEval({ path, data, by, raw, device, threads, verifyData, json });
  },
});
