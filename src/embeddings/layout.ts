/** An embedding table: one learned vector for every id of a field. */
export interface TableSpec {
  readonly name: string;
  readonly rows: number;
  readonly width: number;
}

/** Columns of the model's input that one field fills: a row of its table, or its number. */
export type InputColumns = {
  readonly field: string;
  /** First column, and how many. */
  readonly offset: number;
  readonly width: number;
} & ({ readonly kind: 'id'; readonly table: string } | { readonly kind: 'number' });

/** How the fields of a row lie side by side in the model's input. */
export interface InputLayout {
  readonly width: number;
  readonly columns: readonly InputColumns[];
  readonly tables: readonly TableSpec[];
}
