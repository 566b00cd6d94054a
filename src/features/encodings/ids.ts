import { z } from 'zod';
import { BadValue, type Fit } from '../feature.js';
import { parseId } from '../parse.js';
import { defineEncoding } from './encoding.js';

const fittedSchema = z.strictObject({ size: z.int().min(1) });

/**
 * Values that are already ids. With a configured size, larger ids are rejected. Otherwise the size is the largest id of
 * the training set plus one, and larger ids become 0, the out-of-vocabulary id.
 */
export const ids = defineEncoding({
  name: 'ids',
  summary: 'integer ids from 0',
  takesText: false,
  options: () => ({
    sizes: z
      .record(
        z.string(),
        z
          .int()
          .min(1)
          .max(2 ** 31),
      )
      .default({})
      .describe('Number of ids by field; default: counted on the training set'),
  }),

  byField: ['sizes'],

  build({ sizes }, field) {
    const size = Object.hasOwn(sizes, field) ? sizes[field] : undefined;
    return {
      startFit: size === undefined ? startFit : undefined,

      grow: (before, now) => {
        const [had, has] = [before, now].map((fitted) => fittedSchema.parse(fitted).size) as [number, number];
        return {
          fitted: { size: Math.max(had, has) },
          fresh: Math.max(0, has - had),
          forgotten: new Uint32Array(0),
          cleared: new Uint32Array(0),
        };
      },

      encoder: (fitted) => {
        const rows = size ?? fittedSchema.parse(fitted).size;
        const tooLarge = new BadValue(`an id below ${rows}, the configured size of field '${field}'`);
        return {
          rows,
          rule: {
            kind: 'id',
            size: rows,
            beyond: size === undefined ? 'unknown' : 'refused',
            empty: 'refused',
            cells: 1,
          },
          direct: { cell: 'id', below: rows },
          encode: (text) => {
            const id = parseId(text);
            if (id < rows) return id;
            if (size === undefined) return 0;
            throw tooLarge;
          },
        };
      },
    };
  },
});

function startFit(): Fit {
  let largest = 0;
  const observe = (values: Float64Array, begin: number, end: number): void => {
    let most = largest;
    for (let i = begin; i < end; i++) if (values[i]! > most) most = values[i]!;
    largest = most;
  };
  return {
    check: parseId,
    observe: (text) => void (largest = Math.max(largest, parseId(text))),
    direct: { cell: 'id', observe },
    finish: () => ({ size: largest + 1 }),
  };
}
