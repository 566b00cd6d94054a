/** Maximum number of different numbers that are counted: 10,000 take some 0.5 MB for each field. */
const MAX_COUNTED = 10_000;

/** Counts different numbers. */
export interface DistinctNumbers {
  /** Exact, unless there are more. */
  readonly count: number;
  /** Whether there are more than are counted. */
  readonly hasMore: boolean;
  add(values: Float32Array | undefined, rows: number): void;
}

/** Counts of no number yet. */
export function createDistinctNumbers(): DistinctNumbers {
  const seen = new Set<number>();
  let hasMore = false;
  return {
    get count() {
      return seen.size;
    },
    get hasMore() {
      return hasMore;
    },
    add(values, rows) {
      for (let r = 0; values !== undefined && !hasMore && r < rows; r++) {
        const isNew = !seen.has(values[r]!);
        if (isNew && seen.size === MAX_COUNTED) hasMore = true;
        else if (isNew) seen.add(values[r]!);
      }
    },
  };
}
