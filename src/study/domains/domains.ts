import { z } from 'zod';
import { registry } from '../../core/component.js';
import * as all from './all.js';

/** Every kind of domain by its name in the YAML, under the key `type`. */
export const domains = registry(all, 'type');

const whenOptions = z
  .record(z.string(), z.unknown())
  .default({})
  .describe('Values of earlier parameters under which this one is set: a value or a list for each');
const linkedKeysOptions = z.array(z.string()).default([]).describe('Other config keys set to the same value');

/** A parameter of a space as the YAML has it. */
export const parameterOptions = z.union([
  z
    .array(z.unknown())
    .min(1)
    .transform((values) => ({ type: all.choices.name, values, when: {}, linkedKeys: [] })),
  domains.schemaWith({ when: whenOptions, linkedKeys: linkedKeysOptions }),
]);
export type ParameterSpec = z.output<typeof parameterOptions>;
