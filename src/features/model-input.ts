import type { EncodedField, Source } from './feature.js';
import { listStorage } from './kinds/kinds.js';

/** A column that a model reads. */
export interface ModelInput {
  readonly name: string;
  /** Type of its values: ids in digits, any string, numbers, lists of ids, or lists of numbers. */
  readonly holds: 'id' | 'text' | 'number' | 'bag' | 'vector';
  /** True for lists that are aligned item by item with the lists of other columns: items may be missing. */
  readonly isAligned?: true | undefined;
  /** True for a column that a row may lack: a counter, and the time and keys from which it is computed. */
  readonly isOptional?: true | undefined;
}

/**
 * Lists the distinct columns of some fields. A field with only this column determines its type, else a computation that
 * reads it; combined columns accept any string.
 */
export function listInputs(fields: readonly EncodedField[]): readonly ModelInput[] {
  const types = new Map<string, Omit<ModelInput, 'name'>>();
  const isAlone = ({ columns, computed }: EncodedField): boolean => columns.length === 1 && computed === undefined;
  for (const field of [...fields.filter(isAlone), ...fields.filter((field) => !isAlone(field))])
    for (const { name, ...type } of field.computed?.sources.map(sourceInput) ??
      field.columns.map((name) => inputOf(name, field)))
      if (!types.has(name)) types.set(name, type);
  const names = [...new Set(fields.flatMap(({ columns }) => columns))];
  return names.map((name) => ({ name, ...types.get(name)! }));
}

function sourceInput(source: Source): ModelInput {
  const { name, holds } = source;
  return { name, holds, ...(holds === 'bag' && source.form.keepsMissing === true && { isAligned: true }) };
}

function inputOf(name: string, field: EncodedField): ModelInput {
  const { columns, direct } = field;
  if (columns.length > 1) return { name, holds: 'text' };
  const lists = listStorage(field);
  if (lists !== undefined) return { name, holds: lists };
  return { name, holds: direct?.cell === 'id' || direct?.cell === 'number' ? direct.cell : 'text' };
}
