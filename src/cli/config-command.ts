import { z } from 'zod';
import { dumpConfig } from '../config/dump.js';
import { experimentSchema } from '../config/experiment.js';
import { loadConfig } from '../config/load.js';
import { parseOverride } from '../config/overrides.js';
import { EXIT_CODES } from '../errors.js';

/** `mtl config show`: the config with its overrides and defaults, as YAML. */
export async function runConfigShow(config: string, set: readonly string[]): Promise<number> {
  const { experiment } = await loadConfig(config, set.map(parseOverride));
  process.stdout.write(dumpConfig(experiment));
  return EXIT_CODES.done;
}

/** `mtl config schema`: the JSON Schema of a config file, for editors. */
export function runConfigSchema(): number {
  // The file's own name stands in where the key is left out.
  const schema = z.toJSONSchema(experimentSchema.partial({ name: true }), { io: 'input' });
  process.stdout.write(`${JSON.stringify(schema, null, 2)}\n`);
  return EXIT_CODES.done;
}
