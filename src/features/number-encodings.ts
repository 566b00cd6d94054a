import type { z } from 'zod';
import { formatChoices, registry, type Component } from '../core/component.js';
import { bucketized } from './bucketized.js';
import { cellShape } from './cells.js';
import type { Field } from './feature.js';
import type { GroupShape } from './field-group.js';
import { numeric } from './numeric.js';
import { periodic } from './periodic.js';
import { piecewiseLinear } from './piecewise-linear.js';

/** Returns the options of a feature type without its fields, as a component that builds the fields of one number. */
function encodingBy<const Name extends string, Shape extends z.ZodRawShape>(
  type: Component<Name, GroupShape<Shape, string>, [], readonly Field[]>,
): Component<Name, Shape, [number: string], readonly Field[]> {
  const groupOf = (options: object, number: string): never => ({ ...options, fields: [number] }) as never;
  return {
    name: type.name,
    summary: type.summary,
    options() {
      const own = Object.entries(type.options()).filter(([key]) => key !== 'fields' && !Object.hasOwn(cellShape, key));
      // TypeScript cannot remove keys from a generic shape.
      return Object.fromEntries(own) as unknown as Shape;
    },
    check: (options) => type.check?.(groupOf(options, type.name)) ?? [],
    build: (options, number) => type.build(groupOf(options, number)),
  };
}

/** Every feature type that encodes computed numbers, by its name in the config. */
const numberEncodings = registry(
  {
    piecewiseLinear: encodingBy(piecewiseLinear),
    numeric: encodingBy(numeric),
    bucketized: encodingBy(bucketized),
    periodic: encodingBy(periodic),
  },
  'name',
  piecewiseLinear.name,
);
type NumberEncoding = Parameters<typeof numberEncodings.build>[0];

/** Schema of the encoding of computed numbers: a name, or a map with the options of that feature type. */
export const numberEncodingOption = formatChoices(numberEncodings.schema, numberEncodings.names)
  .prefault({})
  .describe('Encoding of the numbers: a feature type, or its options; default: piecewise-linear');

/** Builds the fields of a computed number. */
export function encodedNumber(encoding: NumberEncoding, number: string): readonly Field[] {
  return numberEncodings.build(encoding, number);
}
