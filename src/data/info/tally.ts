/** Counts by key: how many there were, and sums beside that. */
export interface Tally {
  /** Keys in the order in which they were first seen. */
  readonly keys: readonly number[];
  /** Of all keys together. */
  readonly total: number;
  /** Counts once; `sums[i]` of the key grows by `amounts[i]`. */
  add(key: number, amounts?: readonly number[]): void;
  count(key: number): number;
  sum(key: number, i: number): number;
}

/** Counts of nothing yet, with so many sums beside each. */
export function createTally(numSums = 0): Tally {
  const places = new Map<number, number>();
  const keys: number[] = [];
  const width = numSums + 1;
  let sums = new Float64Array(64 * width);
  let total = 0;
  return {
    keys,
    get total() {
      return total;
    },
    add(key, amounts) {
      let at = places.get(key);
      if (at === undefined) {
        at = keys.length * width;
        places.set(key, at);
        keys.push(key);
        if (at + width > sums.length) {
          const more = new Float64Array(2 * sums.length);
          more.set(sums);
          sums = more;
        }
      }
      total++;
      sums[at]!++;
      if (amounts !== undefined) for (let i = 0; i < numSums; i++) sums[at + 1 + i]! += amounts[i]!;
    },
    count: (key) => sums[places.get(key) ?? -1] ?? 0,
    sum: (key, i) => sums[(places.get(key) ?? NaN) + 1 + i] ?? 0,
  };
}
