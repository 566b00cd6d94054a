/** @module-tag long */
import { describe, expect, it } from 'vitest';
import { Additive } from '../../src/crosses/additive.js';
import type { EncodedColumns } from '../../src/crosses/encoded-columns.js';
import { searchCrosses, type Search } from '../../src/crosses/search.js';
import { randomStream } from '../../src/core/random.js';

/** Returns the effect of a combination of two codes on the log odds. */
type Effect = (a: number, b: number) => number;

/** Two fields and their interaction. */
interface Interaction {
  readonly size: number;
  /** Codes are drawn with probabilities proportional to 1 / rank^skew. */
  readonly skew: number;
  readonly effect: Effect;
}

const ROWS = 100_000;

function perCell(seed: number, draw: (normal: () => number, a: number, b: number) => number): Effect {
  const random = randomStream(seed, 'effects');
  const cells = new Map<number, number>();
  return (a, b) => {
    const key = a * 1e4 + b;
    const found = cells.get(key) ?? draw(() => random.normal(), a, b);
    cells.set(key, found);
    return found;
  };
}

/** Few combinations with most rows are strong, and thousands have no effect. */
const fewStrong: Interaction = {
  size: 1000,
  skew: 1,
  effect: (a, b) => (a < 3 && b < 3 ? ((a + b) % 2 === 0 ? -1.5 : 1.5) : 0),
};
/** Every combination has a weak effect. */
const manyWeak: Interaction = { size: 60, skew: 1, effect: perCell(2, (normal) => 0.3 * normal()) };
/** One combination in 50 is strong, wherever it is. */
const rareStrong: Interaction = { size: 200, skew: 0.8, effect: (a, b) => ((7 * a + b) % 50 === 0 ? 2.5 : 0) };

function drawCode(random: ReturnType<typeof randomStream>, { size, skew }: Interaction): () => number {
  let total = 0;
  const ends = Float64Array.from({ length: size }, (_, i) => (total += (i + 1) ** -skew));
  return () => {
    const value = random.uniform() * total;
    return ends.findIndex((end) => end > value);
  };
}

/** Draws rows with these interactions and main effects, and finds their crosses. */
async function world(
  seed: number,
  interactions: readonly Interaction[],
): Promise<
  Search & { /** Gain of the true probabilities over those of the best additive model. */ readonly trueGain: number }
> {
  const random = randomStream(seed, 'strengths');
  const logits = new Float64Array(ROWS).fill(-2);
  const fields = interactions.flatMap((each, i) => {
    const [a, b] = ['a', 'b'].map((side): EncodedColumns => {
      const draw = drawCode(random, each);
      const name = `${side}${i}`;
      return { name, column: name, codes: Uint32Array.from({ length: ROWS }, draw), size: each.size };
    }) as [EncodedColumns, EncodedColumns];
    const main = [a, b].map(({ size }) => Float64Array.from({ length: size }, () => 0.3 * random.normal()));
    for (let row = 0; row < ROWS; row++) {
      const [x, y] = [a.codes[row]!, b.codes[row]!];
      logits[row]! += main[0]![x]! + main[1]![y]! + each.effect(x, y);
    }
    return [a, b];
  });
  const truth = logits.map((logit) => 1 / (1 + Math.exp(-logit)));
  const labels = truth.map((p) => Number(random.uniform() < p));
  // Labels without noise.
  const additive = new Additive(truth, 'class');
  for (const field of fields) additive.add(field);
  additive.fit(10);
  const entropy = truth.reduce((sum, p) => sum - p * Math.log(p) - (1 - p) * Math.log(1 - p), 0) / ROWS;
  const signal = new AbortController().signal;
  const search = await searchCrosses(labels, 'class', fields, {
    top: 5,
    isCrossed: () => false,
    onShare: () => undefined,
    signal,
  });
  return { ...search, trueGain: additive.loss() - entropy };
}

describe('searchCrosses on worlds with known strengths', () => {
  // The rest cannot be learned from the rows: most combinations are rare.
  it.each([
    ['few strong combinations among many without effect', fewStrong, 0.6],
    ['weak effects of all combinations', manyWeak, 0.2],
    ['strong effects of one combination in 50', rareStrong, 0.4],
  ] as const)('measures the gain that rows can show: %s', async (_, interaction, minShare) => {
    const { crosses, trueGain } = await world(1, [interaction]);
    expect(crosses.map(({ columns }) => columns)).toEqual([['a0', 'b0']]);
    const share = crosses[0]!.logLossGain / trueGain;
    expect(share).toBeGreaterThan(minShare);
    expect(share).toBeLessThan(1);
  });

  it('orders pairs by their true strength', async () => {
    const [strong, weak] = [await world(2, [fewStrong]), await world(2, [manyWeak])];
    expect(strong.trueGain).toBeGreaterThan(weak.trueGain);
    for (const seed of [3, 4]) {
      const { crosses } = await world(seed, [manyWeak, fewStrong]);
      expect(crosses.map(({ columns }) => columns.join())).toEqual(['a1,b1', 'a0,b0']);
    }
  });

  it('finds nothing between fields without interactions', async () => {
    const none = [fewStrong, manyWeak].map((each) => ({ ...each, effect: () => 0 }));
    for (const seed of [5, 6, 7]) expect((await world(seed, none)).crosses).toEqual([]);
  });
});
