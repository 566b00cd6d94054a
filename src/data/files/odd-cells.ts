/** Which cells were left of rows that are taken together, when all usual ones were. */
export interface OddCells {
  /** Of a column that is taken: rows whose cells are left. */
  readonly rows: Uint32Array;
  /** Rows that a column refused as a whole. */
  readonly isBad: Uint8Array;
  /** Before so many rows are taken. */
  clear(rows: number): void;
  /** Notes the first `count` of `rows` for a column. */
  add(column: number, count: number): void;
  /** Whether one of the first so many rows has such a cell or is bad. */
  hasAmong(count: number): boolean;
  /** Whether there is one in a row. */
  has(row: number): boolean;
  /** Takes the columns of a row's cells to a function. */
  each(row: number, take: (column: number) => void): void;
}

/** Room for the odd cells of so many rows and columns. */
export function createOddCells(most: number, numColumns: number): OddCells {
  const rows = new Uint32Array(most);
  const isBad = new Uint8Array(most);
  /**
   * By row, one more than the place of its last cell among these: the column, and the cell before it in the same way.
   */
  const last = new Uint32Array(most);
  const columns = new Uint32Array(most * numColumns);
  const before = new Uint32Array(most * numColumns);
  let cells = 0;
  return {
    rows,
    isBad,
    clear(count) {
      last.fill(0, 0, count);
      isBad.fill(0, 0, count);
      cells = 0;
    },
    add(column, count) {
      for (let i = 0; i < count; i++) {
        const row = rows[i]!;
        columns[cells] = column;
        before[cells++] = last[row]!;
        last[row] = cells;
      }
    },
    hasAmong(count) {
      const bad = isBad.indexOf(1);
      return cells > 0 || (bad >= 0 && bad < count);
    },
    has: (row) => last[row] !== 0,
    each(row, take) {
      for (let cell = last[row]!; cell > 0; cell = before[cell - 1]!) take(columns[cell - 1]!);
    },
  };
}
