import type { Encoder, Field } from '../../src/features/feature.js';
import { featureTypes, createFields } from '../../src/features/feature-types.js';
import { storedFitted } from '../../src/features/fitted.js';

/** The first field of a feature group that reads column f. */
export const fieldOf = (spec: object): Field =>
  createFields([featureTypes.schema.parse({ fields: ['f'], ...spec })])[0]!;

/** Fits a field on values and returns its encoder, after a round trip through a checkpoint's format. */
export function fittedField(spec: object, cells: readonly string[]): Encoder {
  const field = fieldOf(spec);
  const fit = field.startFit?.();
  for (const cell of cells) {
    fit?.check(cell);
    fit?.observe(cell);
  }
  return field.encoder(
    fit === undefined ? undefined : JSON.parse(JSON.stringify(storedFitted({ f: fit.finish() }).json['f'])),
  );
}
