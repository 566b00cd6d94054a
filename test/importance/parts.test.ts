import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { column, sliceRows } from '../../src/core/batch.js';
import type { Dataset } from '../../src/data/batches/dataset.js';
import { createRowBlock, type BlockColumn } from '../../src/chunks/row-block.js';
import { holdRows } from '../../src/data/batches/held-rows.js';
import { computeInterval } from '../../src/importance/interval.js';
import { openFindings, type Findings } from '../../src/importance/output.js';
import { createPermuter } from '../../src/importance/permuted.js';
import { randomStream } from '../../src/core/random.js';
import { scratchFolder } from '../support/scratch.js';

const COLUMNS: readonly BlockColumn[] = [
  { name: 'id', kind: 'id' },
  { name: 'number', kind: 'number' },
  { name: 'bag', kind: 'bag' },
  { name: 'label', kind: 'label' },
];

/** Row r: id r, number r / 2, a bag of r % 3 items, label r % 2. */
function rowsOf(count: number) {
  const block = createRowBlock(COLUMNS, count);
  const bag = column(block, 'bag', 'list');
  for (; block.rows < count; block.rows++) {
    const r = block.rows;
    column(block, 'id', 'u32').data[r] = r;
    column(block, 'number', 'f32').data[r] = r / 2;
    column(block, 'label', 'f32').data[r] = r % 2;
    bag.open(r);
    for (let i = 0; i < r % 3; i++) bag.add(10 * r + i, r + i / 4);
    bag.close(r);
  }
  return block;
}

function datasetOf(count: number): Dataset {
  const block = rowsOf(count);
  return {
    rows: count,
    idCounts: new Map(),
    keyTexts: new Map(),
    leftOut: new Map(),
    labelCounts: new Map(),
    async *batches(size) {
      for (let begin = 0; begin < count; begin += size)
        yield Promise.resolve({ batch: sliceRows(block, begin, Math.min(count, begin + size)), totalRows: count });
    },
    async *labels() {
      yield Promise.resolve(block);
    },
    close: () => Promise.resolve(),
  };
}

const bagOf = (
  { offsets, ids, weights }: { offsets: Uint32Array; ids: Uint32Array; weights: Float32Array },
  row: number,
) => [[...ids.subarray(offsets[row], offsets[row + 1])], [...weights.subarray(offsets[row], offsets[row + 1])]];

describe('sampled rows', () => {
  it('are all rows, or the requested number, complete and in order', async () => {
    for (const [limit, expected] of [
      [20_000, 9000],
      [9000, 9000],
      [8999, 8999],
      [100, 100],
      [1, 1],
    ] as const) {
      const held = await holdRows(datasetOf(9000), COLUMNS, limit, 3, () => undefined);
      const ids = [...column(held, 'id', 'u32').data.subarray(0, held.rows)];
      expect([held.rows, new Set(ids).size]).toEqual([expected, expected]);
      expect(ids).toEqual([...ids].sort((a, b) => a - b));
      for (const [i, r] of ids.entries()) {
        expect([column(held, 'number', 'f32').data[i], column(held, 'label', 'f32').data[i]]).toEqual([r / 2, r % 2]);
        expect(bagOf(column(held, 'bag', 'list'), i)).toEqual(bagOf(column(rowsOf(r + 1), 'bag', 'list'), r));
        if (i === 50) break;
      }
    }
  });

  it('are drawn uniformly', async () => {
    const counts = new Array<number>(10).fill(0);
    for (let seed = 0; seed < 40; seed++) {
      const held = await holdRows(datasetOf(10_000), COLUMNS, 50, seed, () => undefined);
      for (const id of column(held, 'id', 'u32').data.subarray(0, 50)) counts[Math.floor(id / 1000)]!++;
    }
    // 2,000 rows in ten parts: chi-squared with 9 degrees of freedom exceeds 27.9 with a probability of 0.1%.
    const chiSquared = counts.reduce((sum, count) => sum + (count - 200) ** 2 / 200, 0);
    expect(chiSquared).toBeLessThan(27.9);
  });
});

describe('permuted rows', () => {
  it('take the permuted columns from one other row and keep the others', () => {
    const rows = rowsOf(10);
    const order = Uint32Array.from([3, 8, 1, 9, 0, 2, 7, 4, 6, 5]);
    for (const fields of [['id'], ['number'], ['bag'], ['id', 'number', 'bag']]) {
      let begin = 0;
      for (const batch of createPermuter(rows, 4).permuted(fields, order)) {
        for (let r = 0; r < batch.rows; r++) {
          const rowOf = (field: string): number => (fields.includes(field) ? order[begin + r]! : begin + r);
          expect([
            column(batch, 'id', 'u32').data[r],
            column(batch, 'number', 'f32').data[r],
            column(batch, 'label', 'f32').data[r],
          ]).toEqual([rowOf('id'), rowOf('number') / 2, (begin + r) % 2]);
          expect(bagOf(column(batch, 'bag', 'list'), r)).toEqual(bagOf(column(rows, 'bag', 'list'), rowOf('bag')));
        }
        begin += batch.rows;
      }
      expect(begin).toBe(10);
    }
  });
});

describe('an interval', () => {
  it("matches Student's t of SciPy, scipy.stats.t.ppf(0.975, n - 1)", () => {
    const half = (count: number): number => {
      const { mean, low, high } = computeInterval(Array.from({ length: count }, (_, i) => i));
      expect(high! - mean).toBeCloseTo(mean - low!, 12);
      const deviation = Math.sqrt((count * (count + 1)) / 12);
      return ((high! - mean) * Math.sqrt(count)) / deviation;
    };
    for (const [count, quantile] of [
      [2, 12.7062],
      [3, 4.30265],
      [5, 2.77645],
      [10, 2.26216],
      [11, 2.22814],
      [21, 2.08596],
      [101, 1.98397],
    ] as const)
      expect(Math.abs(half(count) - quantile)).toBeLessThan(0.0005);
    expect(computeInterval([0.25])).toEqual({ mean: 0.25, low: null, high: null });
  });

  it('covers the true mean in 95% of samples', () => {
    const random = randomStream(1, 'intervals');
    for (const count of [2, 5, 30]) {
      let held = 0;
      for (let i = 0; i < 4000; i++) {
        const { low, high } = computeInterval(Array.from({ length: count }, () => 3 + 2 * random.normal()));
        if (low! < 3 && 3 < high!) held++;
      }
      expect(Math.abs(held / 4000 - 0.95)).toBeLessThan(0.012);
    }
  });
});

describe('an importance file', () => {
  const findings: Findings = {
    unpermuted: { 'ctr.auc': 0.75, 'dwell.r2': null },
    importances: [
      {
        name: '=user<&',
        fields: ['=user<&'],
        drops: { 'ctr.auc': { mean: 0.125, low: 0.1, high: 0.15 }, 'dwell.r2': null },
      },
      {
        name: 'item',
        fields: ['item', 'item_missing'],
        drops: { 'ctr.auc': { mean: -0.01, low: null, high: null }, 'dwell.r2': null },
      },
    ],
  };

  it('can be JSON or CSV', async () => {
    const folder = scratchFolder();
    await openFindings(join(folder, 'found.csv'), 'title')(findings);
    expect(readFileSync(join(folder, 'found.csv'), 'utf8')).toBe(
      "name,measure,worse_by,low,high\n'=user<&,ctr.auc,0.125,0.1,0.15\n'=user<&,dwell.r2,,,\n" +
        'item,ctr.auc,-0.01,,\nitem,dwell.r2,,,\n',
    );
    await openFindings(join(folder, 'found.JSON'), 'title')(findings);
    expect(JSON.parse(readFileSync(join(folder, 'found.JSON'), 'utf8'))).toEqual(findings);
  });

  it('can be a chart with a bar per name, proportional to the drop', async () => {
    const path = join(scratchFolder(), 'found.svg');
    await openFindings(path, 'What it owes')(findings);
    const svg = readFileSync(path, 'utf8');
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"[^]*<\/svg>$/);
    for (const text of ['What it owes', '=user&lt;&amp;', 'item', 'ctr.auc', 'drop'])
      expect(svg).toContain(`>${text}</text>`);
    // Every bar has a tooltip.
    const bars = [...svg.matchAll(/width="([\d.]+)" height="[\d.]+" fill="#\w+"><title>([^<]*)<\/title>/g)].map(
      ([, width, label]) => [label, Number(width)] as const,
    );
    expect(bars.map(([label]) => label)).toEqual(['=user&lt;&amp;: 0.125', 'item: -0.01']);
    // Coordinates have at most one decimal.
    expect(Math.abs(bars[0]![1] - 12.5 * bars[1]![1])).toBeLessThan(0.7);
    expect(svg).not.toContain('var(');
  });

  it('requires a known extension', () => {
    expect(() => openFindings('found.png', 'title')).toThrow(
      '--out: expected a file name that ends in .svg, .json or .csv, found "found.png"; use --out importance.svg',
    );
  });
});
