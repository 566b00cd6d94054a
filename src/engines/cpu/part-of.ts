/** Some rows of a batch. */
export interface Part {
  readonly begin: number;
  readonly rows: number;
}

/** A process's part of so many rows: all parts are as large, or one row larger. */
export function partOf(rank: number, size: number, rows: number): Part {
  const begin = Math.floor((rows * rank) / size);
  return { begin, rows: Math.floor((rows * (rank + 1)) / size) - begin };
}
