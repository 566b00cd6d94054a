import { setOption } from '../options.js';
import { defineCommand, defineCommandGroup } from './command.js';

const show = defineCommand({
  usage: 'show <config>',
  summary: 'Print a config with overrides and defaults',
  options: (y) =>
    y
      .positional('config', { type: 'string', demandOption: true, describe: 'Config file (YAML)' })
      .option('set', setOption)
      .example('$0 config show configs/esmm.yaml --set training.epochs=5', ''),
  async run({ config, set = [] }) {
    const { runConfigShow } = await import('../config-command.js');
    return runConfigShow(config, set);
  },
});

const schema = defineCommand({
  usage: 'schema',
  summary: 'Print the JSON Schema of configs',
  options: (y) => y.example('$0 config schema > config.schema.json', ''),
  async run() {
    const { runConfigSchema } = await import('../config-command.js');
    return runConfigSchema();
  },
});

export const config = defineCommandGroup('config', 'Show configs and their schema', [show, schema]);
