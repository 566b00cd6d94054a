import { EXIT_CODES } from '../../core/errors.js';
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
    const { dumpConfig } = await import('../../config/dump.js');
    const { loadConfig } = await import('../../config/load.js');
    const { parseOverride } = await import('../../config/overrides.js');
    const { experiment } = await loadConfig(config, set.map(parseOverride));
    process.stdout.write(dumpConfig(experiment));
    return EXIT_CODES.done;
  },
});

const schema = defineCommand({
  usage: 'schema',
  summary: 'Print the JSON Schema of configs',
  options: (y) => y.example('$0 config schema > config.schema.json', ''),
  async run() {
    const { jsonSchema } = await import('../../config/json-schema.js');
    process.stdout.write(`${JSON.stringify(jsonSchema(), null, 2)}\n`);
    return EXIT_CODES.done;
  },
});

export const config = defineCommandGroup('config', 'Show configs and their schema', [show, schema]);
