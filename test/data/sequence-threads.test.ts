/** @module-tag long */
import { mapsOf } from '../support/batches.js';
import { describe, expect, it } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { taskOptions } from '../../src/core/tasks.js';
import { encodeRows } from '../../src/data/pipeline.js';
import { encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { createTextTable } from '../../src/features/vocabulary/text-table.js';
import { textsFrom } from '../../src/features/vocabulary/string-pool.js';
import { openAllColumns } from '../support/read-rows.js';
import { scratchFile } from '../support/scratch.js';

// Compares several threads with one; threads run the build.

const tasks = [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }];
const groups = [
  {
    type: 'sequence',
    name: 's',
    fields: [
      { name: 'item', encoding: 'tokens' },
      { name: 'price', scaling: 'standard' },
      { name: 'at', as: 'age', until: 'now', buckets: 'log' },
    ],
    order: { by: 'at' },
    keep: { last: 4 },
    encoder: 'pooling',
  },
].map((group) => featureTypes.schema.parse(group));
const format = encodedFormat(createRowFormat({ tasks, groups }), {
  's.item': { vocabulary: createTextTable(textsFrom(['a', 'b', 'ü'])) },
  's.price': { mean: 1, deviation: 2 },
});

/** Rows with lists, some of which are invalid. */
function csvOf(rows: number): string {
  const random = randomStream(4, 'rows');
  const lines = Array.from({ length: rows }, (_, r) => {
    const length = random.below(7);
    const list = (create: () => unknown): string => Array.from({ length }, create).join('|');
    const items = list(() => ['a', 'b', 'ü', 'else', ''][random.below(5)]);
    const prices = list(() => random.below(90) / 4);
    const times = list(() => random.below(40)) + (r % 31 === 7 ? '|1' : '');
    return [r % 2, r % 50 === 3 ? `"${items}"` : items, prices, times, 10 + random.below(30)].join(',');
  });
  return ['click,item,price,at,now', ...lines, ''].join('\n');
}

describe('sequences encoded on several threads', () => {
  it('equal those of one thread, with the same invalid rows', async () => {
    const path = scratchFile('log.csv', csvOf(3000));
    const read = async (threads: number, chunkBytes: number): Promise<unknown> => {
      const rows: unknown[] = [];
      const invalid: unknown[] = [];
      for await (const { batch, rejects } of encodeRows(await openAllColumns(path, {}, chunkBytes), format, {
        threads,
      })) {
        invalid.push(...rejects);
        for (let row = 0; row < batch.rows; row++)
          rows.push(
            [...mapsOf(batch).bags].map(([name, { offsets, ids, weights }]) => {
              const [begin, end] = [offsets[row]!, offsets[row + 1]!];
              return [name, [...ids.subarray(begin, end)], [...weights.subarray(begin, end)]];
            }),
          );
      }
      return { rows, invalid };
    };
    const expected = (await read(1, 1 << 20)) as { readonly rows: unknown[]; readonly invalid: unknown[] };
    expect(expected.rows.length + expected.invalid.length).toBe(3000);
    expect(expected.invalid.length).toBeGreaterThan(50);
    for (const chunkBytes of [1 << 20, 4000]) expect(await read(3, chunkBytes)).toEqual(expected);
  });
});
