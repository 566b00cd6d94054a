/** @module-tag long */
import { mapsOf } from '../support/batches.js';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { BadRow } from '../../src/data/rows/rejects.js';
import { dataColumns, encodedFormat, createRowFormat, type RowFormat } from '../../src/data/rows/row-format.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { taskOptions } from '../../src/core/tasks.js';
import { scratchFile } from '../support/scratch.js';

// Compares plain rows, whose rules are checked in bulk, with the same rows in quotes, which are checked one by one.

const groups = [
  featureTypes.schema.parse({ type: 'categorical', fields: ['id'] }),
  featureTypes.schema.parse({ type: 'numeric', fields: ['n'], scaling: 'none' }),
];

async function read(text: string, format: RowFormat): Promise<unknown> {
  const rejects: unknown[] = [];
  const policy = {
    count: 0,
    reject: ({ line, expected, column }: BadRow) => void rejects.push([line, expected, column]),
  };
  const source = await openSource(scratchFile('train.csv', text), dataColumns(format));
  const dataset = await source.dataset(encodedFormat(format, { id: { size: 100 } }), { policy });
  const rows: unknown[] = [];
  for await (const { batch } of dataset.batches(1000)) {
    const columns = [...mapsOf(batch).labels, ...mapsOf(batch).ids, ...mapsOf(batch).numbers];
    for (let row = 0; row < batch.rows; row++) rows.push(columns.map(([name, data]) => [name, data[row]]));
  }
  return { rows, rejects, leftOut: [...dataset.leftOut].sort() };
}

const classification = fc.record({
  onMissing: fc.constantFrom('error', 'negative', 'drop', 'mask'),
  violations: fc.constantFrom('error', 'skip', 'keep'),
});

it('bulk row checks equal row-by-row checks', async () => {
  const label = fc.constantFrom('0', '0', '0', '1', '');
  const row = fc.tuple(
    label,
    label,
    fc.constantFrom('0', '1', '2.5', ''),
    fc.nat(99).map(String),
    fc.nat(9).map((n) => `${n / 4}`),
  );
  // Long runs of clean rows, and some with violations.
  const rows = fc.array(fc.tuple(row, fc.constantFrom(1, 1, 2, 300)), { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(
      classification,
      fc.constantFrom('error', 'drop', 'mask'),
      rows,
      async ({ onMissing: missing, violations }, missingPrice, runs) => {
        const tasks = [
          { name: 'ctr', ...taskOptions.parse({ label: 'click' }) },
          {
            name: 'cvr',
            ...taskOptions.parse({ label: 'buy', given: { label: 'click', violations }, onMissing: missing }),
          },
          { name: 'spend', ...taskOptions.parse({ label: 'price', type: 'regression', onMissing: missingPrice }) },
        ];
        const format = createRowFormat({ tasks, groups });
        const lines = [
          ['0', '0', '0', '1', '1'],
          ...runs.flatMap(([cells, times]) => new Array<readonly string[]>(times).fill(cells)),
        ];
        const header = 'click,buy,price,id,n\n';
        const plain = header + lines.map((cells) => `${cells.join(',')}\n`).join('');
        const quoted = header + lines.map((cells) => `${cells.map((cell) => `"${cell}"`).join(',')}\n`).join('');
        expect(await read(plain, format)).toEqual(await read(quoted, format));
      },
    ),
    { numRuns: 30 },
  );
});
