/** Rows of a table that stop or start to represent an id between two steps. */
export interface RowChanges {
  /** Rows that represent no id from now on; in ascending order. */
  readonly cleared: Uint32Array;
  /** Rows that represent a new id from now on; in ascending order, and none of `cleared`. */
  readonly admitted: Uint32Array;
  /** Number of the batch that admits them, from 1: with the seed, the table and the row, it decides initial values. */
  readonly batch: number;
}

/** Changes by the field that owns the ids: they apply to its table, and to the table of the wide part. */
export type TableChanges = ReadonlyMap<string, RowChanges>;

/** Returns the changes of a table; undefined if it has none. */
export function findChanges(
  { name, idsOf = name }: { readonly name: string; readonly idsOf?: string },
  changes: TableChanges,
): RowChanges | undefined {
  return changes.get(idsOf);
}
