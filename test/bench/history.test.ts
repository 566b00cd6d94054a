import { column } from '../../src/core/batch.js';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MAX_ITEMS, MEAN_ITEMS, ATTENTION_UNITS, SEARCH_WIDTH } from '../../bench/history.js';
import { trainingFlops } from '../../bench/roofline.js';
import { batchesOf, planOf, WORKLOADS } from '../../bench/workloads.js';

const work = WORKLOADS.find(({ name }) => name === 'din-50')!;

it('FLOPs count causal attention between items: two products, and four for the gradients', () => {
  const { graph } = planOf(
    WORKLOADS.find(({ name }) => name === 'bst-50')!,
    0.001,
  );
  const flopsOfRow = (items: number): number => trainingFlops(graph, items) - trainingFlops(graph, items, 0);
  // 10 items attend to 55 items, in 32 columns; without squares, half of the items count.
  expect(flopsOfRow(10)).toBe(6 * 2 * 32 * (55 - 5));
});

describe('a workload with a history', () => {
  const [batch] = batchesOf(work, 1);
  const { fields } = work.history!;
  const histories = fields.map((field) => column(batch!, `history.${field}`, 'list'));
  const { offsets } = histories[0]!;
  const lengths = Array.from({ length: batch!.rows }, (_, b) => offsets[b + 1]! - offsets[b]!);

  it('has the lengths of a power law', () => {
    expect(Math.min(...lengths)).toBe(1);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(MAX_ITEMS);
    const mean = offsets[batch!.rows]! / batch!.rows;
    expect(Math.abs(mean - MEAN_ITEMS)).toBeLessThan(6);
    // Far below the mean: half of the probability is below 26.
    expect(lengths.sort((a, b) => a - b)[batch!.rows >> 1]).toBeLessThan(35);
  });

  it('has aligned fields, and one category, shop and brand per item', () => {
    const [items, ...others] = histories;
    for (const [f, other] of others.entries()) {
      expect(other.offsets).toEqual(offsets);
      const known = new Map<number, number>();
      const candidates = column(batch!, fields[f + 1]!, 'u32').data;
      for (const [i, item] of column(batch!, fields[0]!, 'u32').data.entries()) known.set(item, candidates[i]!);
      for (const [i, item] of items!.ids.entries()) {
        if (!known.has(item)) known.set(item, other.ids[i]!);
        if (known.get(item) !== other.ids[i]) expect.fail(`item ${item} has two of field ${fields[f + 1]!}`);
      }
    }
  });

  it('has the fields, lengths and layer of its peers', () => {
    const read = (name: string): string => readFileSync(join(import.meta.dirname, '../../bench/peers', name), 'utf8');
    const [shared, din] = [read('torch_history.py'), read('torch_din.py')];
    expect(shared).toContain(`WIDTH, LONGEST, MEAN = 16, ${MAX_ITEMS}, ${MEAN_ITEMS}\n`);
    expect(din).toContain(`UNITS, SEARCH = ${ATTENTION_UNITS}, ${SEARCH_WIDTH}\n`);
    expect(shared).toContain(`HISTORY = [${fields.map((field) => `'${field}'`).join(', ')}]`);
  });
});
