import { randomStream } from './random.js';

/** A number, and the number of rows that have it. */
type Weighted = readonly [value: number, weight: number];

/** Maximum number of distinct numbers with exact quantiles. */
const MAX_EXACT = 65_536;
/** Numbers per level of the sketch. */
const LEVEL_SIZE = 8192;

/**
 * Quantiles of a stream of numbers, in bounded memory. Counts distinct numbers exactly up to a limit, then uses a
 * sketch: a full level moves every second of its sorted numbers up one level, where each has twice the weight (Manku,
 * Rajagopalan, Lindsay 1999; which of the two is random with a fixed seed, as in KLL, Karnin, Lang, Liberty 2016). For
 * n numbers, the error of a rank is about n / 10,000 (standard deviation at most n / (√2 · 8192)), and a column uses
 * 64 KB per doubling of n beyond 8192.
 */
export class Quantiles {
  #min = Infinity;
  #max = -Infinity;
  readonly #counts = new Map<number, number>();
  readonly #random = randomStream(0, 'quantiles');
  readonly #levels: { readonly values: Float64Array; size: number }[] = [];
  #isExact = true;

  observe(value: number): void {
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
    if (!this.#isExact) return this.#push(0, value);
    this.#counts.set(value, (this.#counts.get(value) ?? 0) + 1);
    if (this.#counts.size <= MAX_EXACT) return;
    this.#isExact = false;
    // A count is a sum of powers of 2, the weights of the levels.
    for (const [each, count] of this.#counts)
      for (let level = 0, rest = count; rest > 0; level++, rest = Math.floor(rest / 2))
        if (rest % 2 === 1) this.#push(level, each);
    this.#counts.clear();
  }

  observeAll(values: Float64Array, begin: number, end: number): void {
    for (let i = begin; i < end; i++) this.observe(values[i]!);
  }

  /** Returns the median, the mean of the middle two for an even count; NaN without numbers. */
  median(): number {
    const inOrder = this.#weighted();
    const half = inOrder.reduce((sum, [, weight]) => sum + weight, 0) / 2;
    let below = 0;
    for (const [i, [value, weight]] of inOrder.entries()) {
      below += weight;
      if (below > half) return value;
      if (below === half) return value + (inOrder[i + 1]![0] - value) / 2;
    }
    return NaN;
  }

  /**
   * Returns the lower boundaries of at most `count` buckets except the first, in increasing order. A number with more
   * rows than an equal share has a bucket of its own; the other buckets divide the other rows as equally as possible.
   * There are fewer buckets if numbers repeat.
   */
  boundaries(count: number): number[] {
    return groupsOf(mergeEqual(this.#weighted()), count).flatMap(({ numbers, buckets }, i) => [
      ...(i > 0 ? [numbers[0]![0]] : []),
      ...equalBoundaries(numbers, buckets),
    ]);
  }

  /**
   * Returns at most `count` quantiles at equally spaced ranks, from the minimum to the maximum: order statistics,
   * interpolated linearly as NumPy's `quantile`. There are fewer if there are fewer numbers, and none without numbers.
   */
  spaced(count: number): number[] {
    const inOrder = this.#weighted();
    const total = totalWeight(inOrder);
    const length = Math.min(count, total);
    const found: number[] = [];
    let [i, end] = [0, inOrder[0]?.[1] ?? 0];
    for (let q = 0; q < length; q++) {
      const index = length === 1 ? 0 : (q * (total - 1)) / (length - 1);
      while (Math.floor(index) >= end) end += inOrder[++i]![1];
      const low = inOrder[i]![0];
      const high = Math.floor(index) + 1 < end ? low : (inOrder[i + 1]?.[0] ?? low);
      found.push(low + (index - Math.floor(index)) * (high - low));
    }
    if (length > 1) [found[0], found[length - 1]] = [this.#min, this.#max];
    return found;
  }

  #push(level: number, value: number): void {
    while (this.#levels.length <= level) this.#levels.push({ values: new Float64Array(LEVEL_SIZE), size: 0 });
    const own = this.#levels[level]!;
    own.values[own.size++] = value;
    if (own.size < LEVEL_SIZE) return;
    own.values.sort();
    own.size = 0;
    for (let i = this.#random.uint32() & 1; i < LEVEL_SIZE; i += 2) this.#push(level + 1, own.values[i]!);
  }

  /** Returns numbers with their weights, in increasing order; equal numbers may occur several times. */
  #weighted(): Weighted[] {
    const weighted = this.#isExact
      ? [...this.#counts]
      : this.#levels.flatMap(({ values, size }, level) =>
          Array.from(values.subarray(0, size), (value) => [value, 2 ** level] as const),
        );
    return weighted.sort(([a], [b]) => a - b);
  }
}

function mergeEqual(weighted: readonly Weighted[]): readonly Weighted[] {
  const merged: Weighted[] = [];
  for (const [value, weight] of weighted) {
    const last = merged.at(-1);
    if (last?.[0] === value) merged[merged.length - 1] = [value, last[1] + weight];
    else merged.push([value, weight]);
  }
  return merged;
}

/** Successive numbers that are divided into buckets of their own. */
interface Group {
  readonly numbers: Weighted[];
  readonly buckets: number;
}

/** Divides increasing numbers into heavy ones, each alone in a bucket, and the groups between them. */
function groupsOf(numbers: readonly Weighted[], count: number): readonly Group[] {
  const heavy = heavyNumbers(numbers, count);
  for (;;) {
    const groups: Weighted[][] = [];
    let isOpen = false;
    for (const each of numbers) {
      const isHeavy = heavy.has(each[0]);
      if (isOpen && !isHeavy) groups.at(-1)!.push(each);
      else groups.push([each]);
      isOpen = !isHeavy;
    }
    if (groups.length <= count) return assignBuckets(groups, heavy, count);
    // The last number that was added has the smallest weight.
    heavy.delete([...heavy].at(-1)!);
  }
}

/** Returns the numbers with more rows than an equal share of the rows without heavier numbers, heaviest first. */
function heavyNumbers(numbers: readonly Weighted[], count: number): Set<number> {
  const heavy = new Set<number>();
  let [buckets, rows] = [count, totalWeight(numbers)];
  for (const [value, weight] of [...numbers].sort(([, a], [, b]) => b - a)) {
    if (buckets <= 1 || weight * buckets <= rows) break;
    heavy.add(value);
    buckets--;
    rows -= weight;
  }
  return heavy;
}

/** Assigns one bucket to each group, and the others by the rows of the groups without heavy numbers. */
function assignBuckets(groups: readonly Weighted[][], heavy: ReadonlySet<number>, count: number): readonly Group[] {
  const rows = groups.map((numbers) => (heavy.has(numbers[0]![0]) ? 0 : totalWeight(numbers)));
  const total = rows.reduce((sum, each) => sum + each, 0);
  let [before, given] = [0, 0];
  return groups.map((numbers, i) => {
    before += rows[i]!;
    const more = total === 0 ? 0 : Math.round(((count - groups.length) * before) / total) - given;
    given += more;
    return { numbers, buckets: 1 + more };
  });
}

/** Returns the lower boundaries of `count` buckets of equal weight except the first. */
function equalBoundaries(numbers: readonly Weighted[], count: number): readonly number[] {
  // A boundary is possible between two successive numbers: the upper one, with the weight below it.
  const below: number[] = [];
  let total = 0;
  for (const [, weight] of numbers) {
    below.push(total);
    total += weight;
  }
  const distance = (at: number, wanted: number): number => Math.abs((below[at] ?? Infinity) - wanted);
  const found = new Set<number>();
  for (let i = 1, at = 1; i < count && numbers.length > 1; i++) {
    const wanted = (i * total) / count;
    while (distance(at + 1, wanted) < distance(at, wanted)) at++;
    found.add(numbers[at]![0]);
  }
  return [...found];
}

function totalWeight(numbers: readonly Weighted[]): number {
  return numbers.reduce((sum, [, weight]) => sum + weight, 0);
}
