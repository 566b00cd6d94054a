import { describe, expect, it } from 'vitest';
import { dataReport } from '../../src/cli/data-report.js';
import { taskOptions } from '../../src/core/tasks.js';
import { describeData } from '../../src/data/info/describe-data.js';
import { dataOptions } from '../../src/data/options.js';
import { createRowFormat } from '../../src/data/rows/row-format.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { scratchFile, scratchFolder } from '../support/scratch.js';

const tasks = [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }];
const sequence = featureTypes.schema.parse({
  type: 'sequence',
  name: 'clicks',
  fields: [
    { name: 'item', encoding: 'tokens' },
    { name: 'price', scaling: 'none' },
  ],
  keep: { last: 9 },
  encoder: 'pooling',
});

/** Rows whose lists have some lengths. */
function csvOf(lengths: readonly number[]): string {
  const rows = lengths.map((length, r) => {
    const numbers = Array.from({ length }, (_, i) => i);
    return `${r % 2},${numbers.map((i) => `i${i}`).join('|')},${numbers.map((i) => i / 4).join('|')}`;
  });
  return ['click,item,price', ...rows, ''].join('\n');
}

describe('the description of a sequence', () => {
  it('has the lengths of its lists by split, and the shares of empty and full ones', async () => {
    // Lengths 0 to 19; the model receives at most 9 items.
    const train = scratchFile('train.csv', csvOf(Array.from({ length: 20 }, (_, i) => i)));
    const valid = scratchFile('valid.csv', csvOf([0, 0, 0, 4]));
    const format = createRowFormat({ tasks, groups: [sequence] });
    const description = await describeData(dataOptions.parse({ train, valid }), format, {
      cache: { folder: scratchFolder() },
    });
    expect(description.sequences).toEqual([
      {
        name: 'clicks',
        maxItems: 9,
        lengths: {
          train: { min: 0, median: 9, p95: 9, max: 9, empty: 0.05, full: 11 / 20, truncated: 0.5 },
          valid: { min: 0, median: 0, p95: 4, max: 4, empty: 0.75, full: 0, truncated: 0 },
        },
      },
    ]);
    const [items, prices] = description.fields;
    // Items 10 to 18 are in lists of at least 11; the newest 9 of 19 are 10 to 18.
    expect(items).toMatchObject({ kind: 'item', values: 19, unknown: { train: 0, valid: 0 }, auc: {} });
    expect(prices).toMatchObject({ kind: 'itemNumber', values: 19, unknown: {}, auc: {} });
    expect(description.warnings.join('\n')).not.toContain('single value');
    const screen = { isRich: false, width: 200, bold: String, dim: String } as never;
    const report = dataReport(description, screen);
    expect(report).toMatch(/clicks +train +0 +9 +9 +9 +5\.00? ?% +55\.00? ?% \(9 items\) +50\.00? ?%/);
  });

  it.each([
    // Rows have 6 items, of which 5, 4, 3, 2 are before their time, and 3, 2, 2, 1 of these equal the candidate.
    ['{ "last": 3 }', 2 / 4, 3 / 4],
    ['{ "last": 2 }', 3 / 4, 1],
    ['{ "last": 2, "matching": "item" }', 1 / 4, 3 / 4],
  ])('counts rows of which keep: %s drops items that are early enough and match', async (keep, truncated, full) => {
    const [items, times] = ['a|b|a|b|a|b', '1|2|3|4|5|6'];
    const rows = [6, 5, 4, 3].map((now, r) => [r % 2, 'a', now, items, times].join(','));
    const train = scratchFile('train.csv', ['click,candidate,now,item,at', ...rows, ''].join('\n'));
    const groups = [
      { type: 'categorical', fields: ['candidate'], encoding: 'tokens' },
      {
        type: 'sequence',
        name: 'clicks',
        fields: [
          { name: 'item', target: 'candidate' },
          { name: 'at', as: 'age', until: 'now' },
        ],
        keep: JSON.parse(keep) as object,
        encoder: 'pooling',
      },
    ].map((group) => featureTypes.schema.parse(group));
    const { sequences } = await describeData(dataOptions.parse({ train }), createRowFormat({ tasks, groups }), {
      cache: { folder: scratchFolder() },
    });
    expect(sequences[0]!.lengths.train).toMatchObject({ truncated, full });
  });

  it('counts rows of which the lightest items are dropped', async () => {
    const train = scratchFile('train.csv', 'click,item\n0,a:1|b:2|c:3\n1,a:1|b:2\n0,\n1,d:1|e:2|f:5|g:3\n');
    const options = { fields: [{ name: 'item', encoding: 'tokens' }], aligned: false, keep: { heaviest: 2 } };
    const group = featureTypes.schema.parse({ type: 'sequence', name: 'tastes', encoder: 'pooling', ...options });
    const format = createRowFormat({ tasks, groups: [group] });
    const { sequences } = await describeData(dataOptions.parse({ train }), format, {
      cache: { folder: scratchFolder() },
    });
    expect(sequences[0]!.lengths.train).toMatchObject({ max: 2, full: 0.75, truncated: 0.5 });
  });
});
