import { filesOption, jsonOption } from '../options.js';
import { defineCommand } from './command.js';

export const init = defineCommand({
  usage: 'init',
  summary: 'write a config that trains: for your data, or for a sample that is written too',
  options: (y) =>
    y
      .option('data', filesOption('rows to train on, whose columns are looked at'))
      .option('valid', filesOption('rows to choose the best epoch by; without --valid and --test, those of --data are divided'))
      .option('test', filesOption('rows to measure it on'))
      .option('model', { type: 'string', requiresArg: true, describe: 'one that fits the tasks where it is left out' })
      .option('label', { type: 'string', requiresArg: true, coerce: (value: string | readonly string[]): readonly string[] => [value].flat(), describe: 'a column to predict; repeatable; found by its name where it is left out' })
      .option('out', { type: 'string', requiresArg: true, describe: 'file to write; the name of the model where it is left out' })
      .option('force', { type: 'boolean', default: false, describe: 'replace what is there' })
      .option('json', jsonOption)
      .example('$0 init', '')
      .example('$0 init --data train.csv --model mmoe', '')
      .example('$0 init --data "logs/*.csv" --label clicked --label paid --out shop.yaml', ''),
  async run({ data, valid, test, model, label = [], out, force, json }) {
    const { runInit } = await import('../init-command.js');
    return runInit({ data, valid, test, model, labels: label, out, force, json });
  },
});
