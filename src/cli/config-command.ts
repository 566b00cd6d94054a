import { dumpConfig } from '../config/dump.js';
import { jsonSchema } from '../config/json-schema.js';
import { loadConfig } from '../config/load.js';
import { parseOverride } from '../config/overrides.js';
import { EXIT_CODES } from '../core/errors.js';

/** `mtl config show`: the config with its overrides and defaults, as YAML. */
export async function runConfigShow(config: string, set: readonly string[]): Promise<number> {
  const { experiment } = await loadConfig(config, set.map(parseOverride));
  process.stdout.write(dumpConfig(experiment));
  return EXIT_CODES.done;
}

/** `mtl config schema`: the JSON Schema of a config file, for editors. */
export function runConfigSchema(): Promise<number> {
  process.stdout.write(`${JSON.stringify(jsonSchema(), null, 2)}\n`);
  return Promise.resolve(EXIT_CODES.done);
}
