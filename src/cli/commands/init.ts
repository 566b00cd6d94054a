import { EXIT_CODES } from '../../core/errors.js';
import { MTL } from '../../system/command-name.js';
import { count, percent } from '../../text/number-text.js';
import { createOutput } from '../output.js';
import { filesOption, jsonOption } from '../options.js';
import { defineCommand } from './command.js';

export const init = defineCommand({
  usage: 'init',
  summary: 'Write a config that trains, for your data or for a generated sample',
  options: (y) =>
    y
      // The shell lists the files of a glob that is not quoted.
      .option('data', { ...filesOption('Training data, whose columns are inspected'), array: true })
      .option('valid', { ...filesOption('Validation data; without it, --data is split'), array: true })
      .option('test', { ...filesOption('Test data; requires --valid'), array: true })
      .option('model', { type: 'string', requiresArg: true, describe: 'Model; default: one that fits the tasks' })
      .option('label', {
        type: 'string',
        requiresArg: true,
        coerce: (value: string | readonly string[]): readonly string[] => [value].flat(),
        describe: 'Label column (repeatable); default: detected by name',
      })
      .option('out', { type: 'string', requiresArg: true, describe: 'Output file; default: named after the model' })
      .option('force', { type: 'boolean', default: false, describe: 'Overwrite an existing file' })
      .option('json', jsonOption)
      .example('$0 init', '')
      .example('$0 init --data train.csv --model mmoe', '')
      .example('$0 init --data "logs/*.csv" --label clicked --label paid --out shop.yaml', ''),
  async run({ data, valid, test, model, label = [], out, force, json }) {
    const { init: writeConfig } = await import('../../init.js');
    const { screen, result } = createOutput(json);
    const written = await writeConfig({ data, valid, test, model, labels: label, out, force });
    const { config, files, rows, tasks, leftOut } = written;
    if (rows !== undefined) screen.print(`inspected ${rows.isCut ? 'a sample of ' : ''}${count(rows.count)} rows`);
    for (const { name, column, given, rate } of tasks)
      screen.print(
        `  task ${name}: column ${column}, positive in ${percent(rate)} of all ` +
          `rows${given === undefined ? '' : `, given ${given}`}`,
      );
    for (const [name, reason] of Object.entries(leftOut)) screen.print(`  excluded ${name}: ${reason}`);
    screen.print(`wrote ${files.join(', ')}`);
    screen.print(`next: ${MTL} check ${config}, then ${MTL} train ${config}`);
    result(written);
    return EXIT_CODES.done;
  },
});
