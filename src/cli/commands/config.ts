import { setOption } from '../options.js';
import { defineCommand, defineCommandGroup } from './command.js';

const show = defineCommand({
  usage: 'show <config>',
  summary: 'print a config with overrides and defaults',
  options: (y) => y.positional('config', { type: 'string', demandOption: true, describe: 'YAML file' }).option('set', setOption),
  async run({ config, set = [] }) {
    const { runConfigShow } = await import('../config-command.js');
    return runConfigShow(config, set);
  },
});

const schema = defineCommand({
  usage: 'schema',
  summary: 'print the JSON Schema of configs',
  options: (y) => y,
  async run() {
    const { runConfigSchema } = await import('../config-command.js');
    return runConfigSchema();
  },
});

export const config = defineCommandGroup('config', 'show configs and their schema', [show, schema]);
