import { z } from 'zod';
import { registry } from '../../part.js';
import * as all from './all.js';

/** Every kind of domain by its name in the YAML, under the key `type`. */
export const domains = registry(all, 'type');

const whenOptions = z.record(z.string(), z.unknown()).default({}).describe('the parameter is set only where others, which stand above it, have these values: a value or a list of them each');
const alsoOptions = z.array(z.string()).default([]).describe('other keys of the config that get the same value');

/** A parameter of a space as the YAML has it. */
export const parameterOptions = z.union([
  z.array(z.unknown()).min(1).transform((values) => ({ type: all.choices.name, values, when: {}, also: [] })),
  domains.schemaWith({ when: whenOptions, also: alsoOptions }),
]);
export type ParameterSpec = z.output<typeof parameterOptions>;
