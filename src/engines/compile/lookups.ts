import type { Lookups } from '../../graph/lookups.js';
import type { Value } from '../../graph/operations.js';
import type { InputLayout } from '../../tables/layout.js';

/** Rows of a table that a graph looks up: one per id, one per item, or the pooled rows of the items of a row. */
export interface TableLookup {
  readonly kind: 'id' | 'items' | 'pooled';
  readonly field: string;
  readonly table: string;
  /** The looked-up value, and the first of its columns that the rows fill. */
  readonly value: Value;
  readonly begin: number;
}

/** Columns of a batch that a graph reads as they are: numbers, vectors, or factors of items. */
export interface ColumnLookup {
  readonly kind: 'number' | 'vector' | 'factors';
  readonly field: string;
  readonly value: Value;
  readonly begin: number;
  readonly width: number;
}

export type Lookup = TableLookup | ColumnLookup;

/** Returns whether rows of a table are looked up. */
export function isOfTable(lookup: Lookup): lookup is TableLookup {
  return 'table' in lookup;
}

/** Lists the lookups of a graph in its order; lookups of features are in the order of columns. */
export function listLookups({ values, pooled }: Lookups, layout: InputLayout): readonly Lookup[] {
  return values.flatMap((value): readonly Lookup[] => {
    const found = pooled.get(value);
    if (found !== undefined) return [{ kind: 'pooled', field: found.field, table: found.table, value, begin: 0 }];
    if (value.op !== 'input') return [];
    const { source, width } = value;
    if (source.kind === 'items') return [{ ...source, value, begin: 0 }];
    if (source.kind === 'factors') return [{ kind: 'factors', field: source.field, value, begin: 0, width }];
    return source.kind === 'features' ? listFeatures(value, source.begin, layout) : [];
  });
}

function listFeatures(value: Value, first: number, { columns }: InputLayout): readonly Lookup[] {
  const stop = first + value.width;
  return columns.flatMap((each): readonly Lookup[] => {
    const { field, offset, width } = each;
    if (offset + width <= first || offset >= stop) return [];
    if (each.kind === 'bag' || offset < first || offset + width > stop)
      throw new Error(`'${field}' is no part of the features in columns ${first} to ${stop}`);
    const { kind } = each;
    const shared = { field, value, begin: offset - first };
    return [kind === 'id' ? { ...shared, kind, table: each.table } : { ...shared, kind, width }];
  });
}
