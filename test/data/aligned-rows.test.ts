import { column } from '../../src/core/batch.js';
import { describe, expect, it } from 'vitest';
import { taskOptions } from '../../src/core/tasks.js';
import { rowsOfObjects, type Row } from '../../src/data/objects/given-rows.js';
import { ObjectReader } from '../../src/data/objects/object-reader.js';
import { encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { featureTypes } from '../../src/features/feature-types.js';

const sizes = (name: string): object => ({ name: 'ids', sizes: { [name]: 20 } });
const fields = [
  { name: 't', pooling: 'mean', encoding: sizes('t') },
  { name: 'a', encoding: sizes('a') },
  { name: 'p', scaling: 'none' },
];

/** Encodes rows: by field, the ids and the weights of each row. */
function encode(rows: readonly Row[]) {
  const group = featureTypes.schema.parse({ type: 'sequence', name: 's', fields, encoder: 'pooling' });
  const format = createRowFormat({
    tasks: [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }],
    groups: [group],
  });
  const reading = new ObjectReader(encodedFormat(format, {}).fields).read(rowsOfObjects(rows));
  const [{ batch } = { batch: undefined }] = [...reading.batches];
  const lists = (name: string, of: 'ids' | 'weights'): number[][] => {
    const bag = column(batch!, name, 'list');
    return rows.map((_, row) => [...bag[of].subarray(bag.offsets[row], bag.offsets[row + 1])]);
  };
  return {
    ids: { t: lists('s.t', 'ids'), a: lists('s.a', 'ids') },
    numbers: { counts: lists('s.t.counts', 'weights'), p: lists('s.p', 'weights') },
    problems: reading.problems
      .list()
      .map(({ row, problems }) => [row, ...problems.map(({ key, message }) => `${key}: ${message}`)]),
  };
}

const valid = { t: [[1, 2], null, [3]], a: [4, 5, 6], p: [0.5, 1, 2] };
const later = { t: [[7], []], a: [8, 9], p: [3, 4] };

describe('lists of a sequence in rows of a program', () => {
  it('are lists of lists for items with several values, or the text of a file', () => {
    const encoded = encode([valid, later, { t: '1;2||3', a: '4|5|6', p: '0.5|1|2' }, { t: [], a: [], p: null }]);
    expect(encoded).toEqual({
      ids: { t: [[1, 2, 3], [7], [1, 2, 3], []], a: [[4, 5, 6], [8, 9], [4, 5, 6], []] },
      numbers: { counts: [[2, 0, 1], [1, 0], [2, 0, 1], []], p: [[0.5, 1, 2], [3, 4], [0.5, 1, 2], []] },
      problems: [],
    });
  });

  // Otherwise, the next row would have the items of the invalid one.
  it.each<[string, Row]>([
    ['an invalid id', { a: [4, 'x', 6] }],
    ['an invalid id among values', { t: [[1, 'x'], null, [3]] }],
    ['a large id', { a: [4, 25, 6] }],
    ['an invalid number', { p: [1, 'x', 2] }],
    ['a list in place of a value', { a: [[4, 5, 6], [5], [6]] }],
    ['a value in place of a list', { t: [1, 2, 3] }],
    ['a missing value in a list', { t: [[1, ''], [], [3]] }],
    ['another number of items', { a: [4, 5] }],
    ['two other numbers of items', { a: [4, 5], p: [1] }],
  ])('are empty in all fields for %s in one', (_, change) => {
    const { ids, numbers, problems } = encode([valid, { ...valid, ...change }, later]);
    expect(problems).toEqual([[1, expect.any(String)]]);
    expect(ids).toEqual({ t: [[1, 2, 3], [], [7]], a: [[4, 5, 6], [], [8, 9]] });
    expect(numbers).toEqual({ counts: [[2, 0, 1], [], [1, 0]], p: [[0.5, 1, 2], [], [3, 4]] });
  });

  it('have one problem per row if their lengths differ, with all lengths', () => {
    const lengths = "expected lists of equal length, instead of 3 in 't', 2 in 'a', 1 in 'p'";
    const { problems } = encode([{ ...valid, a: [4, 5], p: [1] }, valid, { ...valid, p: null }]);
    expect(problems).toEqual([
      [0, `columns "a", "p": ${lengths}, found [[4,5],[1]]`],
      [2, `column "p": expected lists of equal length, instead of 3 in 't', 3 in 'a', 0 in 'p', found null`],
    ]);
  });

  it('have the problems of each of their columns', () => {
    const { problems } = encode([{ ...valid, a: [4, 'x', 6], p: [1, 'y', 2] }]);
    expect(problems).toEqual([
      [
        0,
        'column "a": expected an integer id in digits in every item, found [4,"x",6]',
        'column "p": expected a decimal number in every item, found [1,"y",2]',
      ],
    ]);
  });
});
