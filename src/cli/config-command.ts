import { dumpConfig } from '../config/dump.js';
import { jsonSchema } from '../config/json-schema.js';
import { loadConfig } from '../config/load.js';
import { parseOverride } from '../config/overrides.js';
import { EXIT_CODES } from '../core/errors.js';

/** Runs `mtl config show`: prints the config with overrides and defaults as YAML. Returns the exit code. */
export async function runConfigShow(config: string, set: readonly string[]): Promise<number> {
  const { experiment } = await loadConfig(config, set.map(parseOverride));
  process.stdout.write(dumpConfig(experiment));
  return EXIT_CODES.done;
}

/** Runs `mtl config schema`: prints the JSON Schema of configs. Returns the exit code. */
export function runConfigSchema(): Promise<number> {
  process.stdout.write(`${JSON.stringify(jsonSchema(), null, 2)}\n`);
  return Promise.resolve(EXIT_CODES.done);
}
