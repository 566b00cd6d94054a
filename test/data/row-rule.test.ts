import { describe, expect, it } from 'vitest';
import { openSource } from '../../src/data/sources/open-source.js';
import { leftOutNotices } from '../../src/data/sources/left-out-notices.js';
import { refuseBadRows } from '../../src/data/rows/rejects.js';
import { columnsOf, encodedFormat, rowFormatOf, type RowFormat } from '../../src/data/rows/row-format.js';
import type { RowRule } from '../../src/data/rows/row-rule.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { taskOptions } from '../../src/core/tasks.js';
import { scratchFile } from '../support/scratch.js';

// Tests exclusion rules on each path of the reader.

/** Creates a rule that reads `shop` and excludes rows with a given value. */
function without(shop: string): RowRule {
  return {
    columns: ['shop'],
    start: () => {
      let current = '';
      return {
        readers: [{ columns: ['shop'], read: (text) => void (current = text) }],
        settle: () => (current === shop ? `shop is ${shop}` : undefined),
      };
    },
  };
}

const plain = rowFormatOf({
  tasks: [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }],
  groups: [featureTypes.schema.parse({ type: 'categorical', fields: ['id'] })],
});
const format: RowFormat = { ...plain, rules: [...plain.rules, without('a'), without('b')] };

describe('row exclusion rule', () => {
  it.each([
    ['plain rows', 'click,id,shop\n0,1,a\n1,2,c\n0,3,b\n1,4,a\n0,5,\n'],
    ['rows that need a parser', 'click,id,shop\n0,1,"a"\n1,2,c\n0,3,b\n1,4,"a"\n0,5,""'],
  ])('excludes rows from reading and fitting, and counts them by reason: %s', async (_, text) => {
    const source = await openSource(scratchFile('train.csv', text), columnsOf(format));
    const fitted = await source.fit(format, { policy: refuseBadRows });
    expect(fitted).toEqual({ id: { size: 6 } });
    for (const time of ['read', 'kept']) {
      const train = await source.dataset(encodedFormat(format, fitted), { policy: refuseBadRows });
      for await (const { batch } of train.batches(10))
        expect([time, ...batch.ids.get('id')!.subarray(0, batch.rows)]).toEqual([time, 2, 5]);
      expect([...train.leftOut].sort()).toEqual([
        ['shop is a', 2],
        ['shop is b', 1],
      ]);
      expect(leftOutNotices({ train })).toEqual(['data.train: 3 of 5 rows are excluded: shop is a (2), shop is b (1)']);
    }
  });
});
