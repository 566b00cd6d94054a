import type { EncodedField } from './feature.js';
import { takesLists } from './kinds/kinds.js';

/** A column that a model reads. */
export interface ModelInput {
  readonly name: string;
  /** Type of its values: ids in digits, any string, numbers, lists of ids, or lists of numbers. */
  readonly holds: 'id' | 'text' | 'number' | 'bag' | 'vector';
}

/**
 * Lists the distinct columns of some fields. A field with only this column determines its type; combined columns accept
 * any string.
 */
export function listInputs(fields: readonly EncodedField[]): readonly ModelInput[] {
  const types = new Map<string, ModelInput['holds']>();
  const byWidth = [...fields].sort((a, b) => a.columns.length - b.columns.length);
  for (const field of byWidth) {
    const { columns, direct } = field;
    const holds =
      columns.length > 1
        ? 'text'
        : takesLists(field)
          ? field.kind
          : direct?.cell === 'id'
            ? 'id'
            : direct?.cell === 'number'
              ? 'number'
              : 'text';
    for (const name of columns) if (!types.has(name)) types.set(name, holds);
  }
  const names = [...new Set(fields.flatMap(({ columns }) => columns))];
  return names.map((name) => ({ name, holds: types.get(name)! }));
}
