import { column } from '../../src/core/batch.js';
import { describe, expect, it } from 'vitest';
import { openSource } from '../../src/data/sources/open-source.js';
import { leftOutNotices } from '../../src/data/sources/notices.js';
import { refuseBadRows } from '../../src/data/rows/rejects.js';
import { dataColumns, encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { taskOptions } from '../../src/core/tasks.js';
import { scratchFile } from '../support/scratch.js';

// Tests exclusion rules on each path of the reader.

const format = createRowFormat({
  tasks: [
    { name: 'ctr', ...taskOptions.parse({ label: 'click' }) },
    { name: 'cvr', ...taskOptions.parse({ label: 'buy', given: { label: 'ctr', violations: 'skip' } }) },
  ],
  groups: [featureTypes.schema.parse({ type: 'categorical', fields: ['id'] })],
  filter: { where: { not: { column: 'shop', equals: 'a' } } },
});

describe('row exclusion rule', () => {
  it.each([
    ['plain rows', 'click,buy,id,shop\n0,0,7,a\n1,1,2,c\n0,1,8,b\n1,oops,9,a\n0,0,5,d\n'],
    ['rows that need a parser', 'click,buy,id,shop\n0,0,7,"a"\n1,1,2,c\n0,1,8,b\n1,oops,9,"a"\n0,0,5,"d"'],
  ])('excludes rows from reading and fitting, and counts them by reason: %s', async (_, text) => {
    const source = await openSource(scratchFile('train.csv', text), dataColumns(format));
    const fitted = await source.fit(format, { policy: refuseBadRows });
    expect(fitted).toEqual({ id: { size: 6 } });
    for (const time of ['read', 'kept']) {
      const train = await source.dataset(encodedFormat(format, fitted), { policy: refuseBadRows });
      for await (const { batch } of train.batches(10))
        expect([time, ...column(batch, 'id', 'u32').data.subarray(0, batch.rows)]).toEqual([time, 2, 5]);
      expect([...train.leftOut].sort()).toEqual([
        ['buy is 1 and ctr is not', 1],
        ['excluded by data.where', 2],
      ]);
      expect(leftOutNotices({ train })).toEqual([
        'data.train: 3 of 5 rows are excluded: excluded by data.where (2), buy is 1 and ctr is not (1)',
      ]);
    }
  });
});
