import { UserError } from '../errors.js';
import type { InputLayout } from '../embeddings/layout.js';
import { registry } from '../part.js';
import * as all from './all.js';
import type { Encoder, Field } from './feature.js';

/** Every feature type by its name in the YAML, under the key `type`. */
export const featureTypes = registry(all, 'type');
export type FeatureSpec = Parameters<typeof featureTypes.build>[0];

/** What was learned on train, by field; JSON. Fields that learn nothing are absent. */
export type Fitted = Readonly<Record<string, unknown>>;

/** A field that is ready to encode. */
export interface EncodedField extends Field, Encoder {}

/** All fields of a config's groups, in its order: the order of the model's input. */
export function fieldsOf(groups: readonly FeatureSpec[]): readonly Field[] {
  return groups.flatMap((group) => featureTypes.build(group));
}

/**
 * Fields with what was learned for them.
 * @throws UserError (checkpoint) where `fitted` is not what these fields learn
 */
export function encodedFields(fields: readonly Field[], fitted: Fitted): readonly EncodedField[] {
  return fields.map((field) => {
    try {
      return { ...field, ...field.encoder(Object.hasOwn(fitted, field.name) ? fitted[field.name] : undefined) };
    } catch (error) {
      const problem = { where: 'features.json', key: field.name, message: 'not what this field of the config learns on train', fix: 'take another checkpoint' };
      throw new UserError('checkpoint', [problem], { cause: error });
    }
  });
}

/** How the fields lie side by side in the model's input. */
export function layoutOf(fields: readonly EncodedField[]): InputLayout {
  let width = 0;
  const columns = fields.map(({ name, kind, width: fieldWidth }) => {
    const offset = width;
    width += fieldWidth;
    const place = { field: name, offset, width: fieldWidth };
    return kind === 'id' ? { ...place, kind, table: name } : { ...place, kind };
  });
  const tables = fields.filter(({ kind }) => kind === 'id').map(({ name, rows, width }) => ({ name, rows, width }));
  return { width, columns, tables };
}
