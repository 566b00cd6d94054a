import type { Domain } from '../../../graph/domain.js';
import { cutColumns, type View } from '../../compile/buffers.js';
import type { Compiled } from '../../compile/compile.js';
import type { TableLookup } from '../../compile/lookups.js';
import type { Place } from '../../compile/places.js';
import type { TablePlace } from '../../compile/tables.js';
import { listForm, type ListForm } from './table-list.js';

/** What a graph looks up in a table. */
export interface ListedField {
  readonly lookup: TableLookup;
  readonly rows: Domain;
  /** Its columns of a looked-up value, and their gradient. */
  readonly value: View;
  readonly gradient: View;
}

/** The fields of a table in the order in which lists of calls look them up, and the form of its index list. */
export interface ListedFields {
  readonly fields: readonly ListedField[];
  readonly form: ListForm;
}

/** Returns the values of a graph that are looked up in tables or columns. */
export function lookedUpPlaces({ lookups, places }: Pick<Compiled, 'lookups' | 'places'>): readonly Place[] {
  return lookups.values.map((value) => places.of(value));
}

/** Returns what a graph looks up in each table. */
export function listFields({ tables, places, maxRowsOf }: Compiled): ReadonlyMap<TablePlace, ListedFields> {
  return new Map(
    tables.all.map((table) => {
      const fields = table.lookups.map((lookup): ListedField => {
        const { value, gradient } = places.of(lookup.value);
        const part = (view: View): View => cutColumns(view, lookup.begin, table.width);
        return { lookup, rows: lookup.value.rows, value: part(value), gradient: part(gradient) };
      });
      const form = listForm(
        fields.map(({ lookup }) => lookup.kind === 'pooled'),
        Math.max(0, ...fields.map(({ rows }) => maxRowsOf(rows))),
      );
      return [table, { fields, form }] as const;
    }),
  );
}
