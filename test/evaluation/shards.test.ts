import { toBatch } from '../support/batches.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/core/batch.js';
import { createCollector, type Collector } from '../../src/evaluation/evaluation.js';
import { createExactSum } from '../../src/evaluation/exact-sum.js';
import { BLOCK_ROWS } from '../../src/evaluation/row-store.js';
import { sortKeys } from '../../src/evaluation/sort-keys.js';
import { listOutputs } from '../../src/evaluation/outputs.js';
import { randomStream } from '../../src/core/random.js';
import { taskOptions, type Task } from '../../src/core/tasks.js';

const task = (name: string, options: object): Task => ({ name, ...taskOptions.parse(options) });
const SPACES = listOutputs([
  task('ctr', { label: 'click' }),
  task('cvr', { label: 'purchase', given: 'click' }),
  task('price', { label: 'paid', type: 'regression', given: 'click' }),
]);

type Columns = Readonly<Record<string, Float32Array>>;

/** Rows with ties in one prediction, and in the other hardly any. */
function rowsOf(count: number): Columns {
  const random = randomStream(5, 'shards');
  const draw = (value: () => number): Float32Array => Float32Array.from({ length: count }, value);
  const click = draw(() => Number(random.uniform() < 0.3));
  return {
    click,
    purchase: click.map((y) => y * Number(random.uniform() < 0.4)),
    paid: draw(() => random.normal() * 1e3),
    ctr: draw(() => Math.floor(random.uniform() * 50) / 50),
    cvr: draw(() => random.uniform() ** 8),
    price: draw(() => random.normal()),
  };
}

function addRows(collector: Collector, columns: Columns, begin: number, end: number): void {
  const part = (name: string): [string, Float32Array] => [name, columns[name]!.slice(begin, end)];
  const batch: Batch = toBatch({
    rows: end - begin,
    labels: new Map(['click', 'purchase', 'paid'].map(part)),
  });
  collector.add(batch, new Map(['ctr', 'cvr', 'price'].map(part)));
}

describe('a sharded evaluation', () => {
  const count = BLOCK_ROWS + 5000;
  const columns = rowsOf(count);
  const single = createCollector(SPACES);
  for (let begin = 0; begin < count; begin += 4096) addRows(single, columns, begin, Math.min(begin + 4096, count));
  const whole = single.report();

  it('is bitwise identical to a single pass, for any sharding and merge order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: count - 1 }), { maxLength: 6 }),
        fc.array(fc.nat(), { minLength: 7, maxLength: 7 }),
        (cuts, order) => {
          const ends = [...new Set([...cuts, count])].sort((a, b) => a - b);
          const shards = ends.map((end, i) => {
            const collector = createCollector(SPACES);
            addRows(collector, columns, ends[i - 1] ?? 0, end);
            return { collector, key: order[i]! };
          });
          const merged = createCollector(SPACES);
          for (const { collector } of shards.sort((a, b) => a.key - b.key)) merged.merge(collector);
          expect(merged.report()).toEqual(whole);
        },
      ),
      { numRuns: 10 },
    );
    expect(whole['ctcvr']).toMatchObject({ rows: count });
    expect(whole['ctr']!['auc']).not.toBeNull();
  });

  it('accepts shards from other threads, and both can continue', () => {
    const [first, second] = [createCollector(SPACES), createCollector(SPACES)];
    addRows(first, columns, 0, 1000);
    addRows(second, columns, 1000, 3000);
    first.merge(second);
    addRows(second, columns, 0, 500);
    addRows(first, columns, 3000, 60_000);
    const last = createCollector(SPACES);
    addRows(last, columns, 60_000, count);
    first.merge({ blocks: structuredClone(last.blocks) });
    expect(first.report()).toEqual(whole);
  });

  it('has the errors of a regression with unrounded labels', () => {
    const { click, paid, price } = columns;
    let squares = 0;
    let clicks = 0;
    for (let row = 0; row < count; row++) {
      if (click![row] !== 1) continue;
      squares += (paid![row]! - price![row]!) ** 2;
      clicks++;
    }
    expect(whole['price']).toMatchObject({
      rows: clicks,
      rmse: expect.closeTo(Math.sqrt(squares / clicks), 8) as number,
    });
  });
});

describe('an exact sum', () => {
  const doubles = fc.array(fc.double({ min: -1e12, max: 1e12, noNaN: true }), { maxLength: 50 });
  const sumOf = (terms: readonly number[]): number => {
    const sum = createExactSum();
    for (const term of terms) sum.add(term);
    return sum.value();
  };

  it('does not depend on the order of its terms', () => {
    fc.assert(
      fc.property(doubles, fc.nat(), (terms, cut) => {
        const turned = [...terms.slice(cut % 50), ...terms.slice(0, cut % 50)].reverse();
        expect(sumOf(turned)).toBe(sumOf(terms));
      }),
    );
  });

  it('keeps what plain addition loses', () => {
    expect([1e16, 1, -1e16].reduce((a, b) => a + b)).toBe(0);
    expect(sumOf([1e16, 1, -1e16])).toBe(1);
  });

  it('is accurate to a few ulps for integers of any magnitude', () => {
    const term = fc.tuple(fc.maxSafeNat(), fc.integer({ min: 0, max: 40 }));
    fc.assert(
      fc.property(fc.array(term, { minLength: 1, maxLength: 50 }), (terms) => {
        const exact = Number(terms.reduce((sum, [whole, shift]) => sum + (BigInt(whole) << BigInt(shift)), 0n));
        expect(Math.abs(sumOf(terms.map(([whole, shift]) => whole * 2 ** shift)) - exact)).toBeLessThanOrEqual(
          8 * Number.EPSILON * exact,
        );
      }),
    );
  });
});

describe('sorting keys', () => {
  it('sorts in place, also keys with common bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 0xffffffff })), fc.nat({ max: 0xffffffff }), (values, mask) => {
        const keys = Uint32Array.from(values, (value) => value & mask);
        const expected = [...keys].sort((a, b) => a - b);
        sortKeys(keys, new Uint32Array(keys.length + 3));
        expect([...keys]).toEqual(expected);
      }),
    );
  });
});
