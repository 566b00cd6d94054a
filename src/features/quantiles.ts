import { randomStream } from '../core/random.js';

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
  readonly #counts = new Map<number, number>();
  readonly #random = randomStream(0, 'quantiles');
  readonly #levels: { readonly values: Float64Array; size: number }[] = [];
  #isExact = true;

  observe(value: number): void {
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
   * Returns the lower boundaries of `count` buckets except the first, with sizes as equal as possible: increasing, and
   * fewer if repeated numbers would leave buckets empty.
   */
  boundaries(count: number): number[] {
    // A boundary is possible between two successive distinct numbers: the upper one, with the weight below it.
    const candidates: { readonly value: number; readonly below: number }[] = [];
    let total = 0;
    let last: number | undefined;
    for (const [value, weight] of this.#weighted()) {
      if (last !== undefined && value > last) candidates.push({ value, below: total });
      total += weight;
      last = value;
    }
    const distance = (at: number, wanted: number): number => Math.abs((candidates[at]?.below ?? Infinity) - wanted);
    const found = new Set<number>();
    for (let i = 1, at = 0; i < count && candidates.length > 0; i++) {
      const wanted = (i * total) / count;
      while (distance(at + 1, wanted) < distance(at, wanted)) at++;
      found.add(candidates[at]!.value);
    }
    return [...found];
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

  /** Returns numbers with their weights, in increasing order. */
  #weighted(): (readonly [value: number, weight: number])[] {
    const weighted = this.#isExact
      ? [...this.#counts]
      : this.#levels.flatMap(({ values, size }, level) =>
          Array.from(values.subarray(0, size), (value) => [value, 2 ** level] as const),
        );
    return weighted.sort(([a], [b]) => a - b);
  }
}
