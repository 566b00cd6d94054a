import { z } from 'zod';
import { experimentSchema } from './experiment.js';

/** Returns the JSON Schema of config files, for editors. */
export function jsonSchema(): object {
  // The name defaults to that of the file.
  return z.toJSONSchema(experimentSchema.partial({ name: true }), { io: 'input' });
}
