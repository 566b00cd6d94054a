import { BATCH, items, type Domain } from '../../../graph/domain.js';
import type { ValueOf } from '../../../graph/operations.js';
import { columnsOf, type View } from '../../compile/buffers.js';
import type { Compiled } from '../../compile/compile.js';
import type { Place } from '../../compile/places.js';
import type { TablePlace } from '../../compile/tables.js';
import { listForm, type ListForm } from './table-list.js';

/** What a graph looks up in a table: a field of ids or bags, or the items of a sequence. */
export interface ListedField {
  readonly kind: 'id' | 'bag' | 'items';
  readonly field: string;
  readonly rows: Domain;
  /** Its columns of a looked-up input, and their gradient. */
  readonly value: View;
  readonly gradient: View;
}

/** The fields of a table in the order in which lists of calls look them up, and the form of its index list. */
export interface ListedFields {
  readonly fields: readonly ListedField[];
  readonly form: ListForm;
}

/** Returns the inputs of a graph that are looked up in tables, with the features or the items of a sequence. */
export function lookedUpInputs({ graph, places }: Pick<Compiled, 'graph' | 'places'>): readonly {
  readonly source: ValueOf<'input'>['source'];
  readonly place: Place;
}[] {
  return graph.values.flatMap((value) =>
    value.op === 'input' && value.source.kind !== 'label' ? [{ source: value.source, place: places.of(value) }] : [],
  );
}

/** Returns what a graph looks up in each table. */
export function listFields(compiled: Compiled): ReadonlyMap<TablePlace, ListedFields> {
  const inputs = lookedUpInputs(compiled);
  return new Map(
    compiled.tables.all.map((table) => {
      const fields = inputs.flatMap(({ source, place: { value, gradient } }): readonly ListedField[] => {
        if (source.kind === 'items')
          return table.sequences
            .filter(({ field }) => field === source.field)
            .map(({ field }) => ({ kind: 'items', field, rows: items(field), value, gradient }));
        return table.fields.map(({ kind, field, offset, width }) => ({
          kind: kind === 'bag' ? 'bag' : 'id',
          field,
          rows: BATCH,
          value: columnsOf(value, offset, width),
          gradient: columnsOf(gradient, offset, width),
        }));
      });
      const form = listForm(
        fields.map(({ kind }) => kind === 'bag'),
        Math.max(0, ...fields.map(({ rows }) => compiled.maxRowsOf(rows))),
      );
      return [table, { fields, form }] as const;
    }),
  );
}
