import type { InputLayout, TableSpec } from './layout.js';

/** A field that looks up rows of a table. */
export interface TableField {
  readonly field: string;
  readonly table: string;
}

/** Lists the fields that look up rows of tables; a field may look up several. */
export function listTableFields({ columns, sequences = [] }: InputLayout): readonly TableField[] {
  return [
    ...columns.flatMap((each) =>
      each.kind === 'id' || each.kind === 'bag' ? [{ field: each.field, table: each.table }] : [],
    ),
    ...sequences
      .flatMap((sequence) => sequence.fields)
      .flatMap((each) => (each.kind === 'id' ? [{ field: each.field, table: each.table }] : [])),
  ];
}

/** Returns the name of the ids that the rows of a table have: tables that a field looks up have the same. */
export function idsOfTable({ name, idsOf = name }: Pick<TableSpec, 'name' | 'idsOf'>): string {
  return idsOf;
}
