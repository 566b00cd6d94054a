import { z } from 'zod';
import { experimentSchema } from './experiment.js';

/** The JSON Schema of a config file, for editors. */
export function jsonSchema(): object {
  // The file's own name stands in where the key is left out.
  return z.toJSONSchema(experimentSchema.partial({ name: true }), { io: 'input' });
}
