/** Some rows of a batch. */
export interface Part {
  readonly begin: number;
  readonly rows: number;
}

/** Returns the rows of a process; the parts of all processes differ by at most one row. */
export function localRows(rank: number, size: number, rows: number): Part {
  const begin = Math.floor((rows * rank) / size);
  return { begin, rows: Math.floor((rows * (rank + 1)) / size) - begin };
}
