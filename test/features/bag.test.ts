import { describe, expect, it } from 'vitest';
import { BadValue } from '../../src/features/feature.js';
import { encodedFields } from '../../src/features/feature-types.js';
import { fieldFitter } from '../../src/features/kinds/kinds.js';
import { fieldOf } from '../support/fitted-field.js';
import { checkRows, readBags, textRows } from '../support/read-cells.js';

describe('a bag', () => {
  /** Items of a cell, with their ids encoded. */
  const itemsOf = (spec: object, cell: string, cells: readonly string[] = []): [number, number][] => {
    const field = fieldOf({ type: 'bag', ...spec });
    const fit = field.startFit?.();
    if (fit !== undefined) {
      const [fitter, rows] = [fieldFitter(field, fit), textRows('f', cells)];
      fitter.check(rows);
      checkRows(rows);
      fitter.observe(rows);
    }
    const [encoded] = encodedFields([field], fit === undefined ? {} : { f: fit.finish() });
    return readBags(encoded!, [cell])[0]!;
  };
  const sized = { encoding: { sizes: { f: 100 } } };

  it.each([
    [
      '5:0.5|7:2|9',
      [
        [5, 0.5],
        [7, 2],
        [9, 1],
      ],
    ],
    ['', []],
    ['3', [[3, 1]]],
    [
      '3:0|3:1e-3',
      [
        [3, 0],
        [3, Math.fround(0.001)],
      ],
    ],
  ] as const)('parses %j', (cell, items) => {
    expect(itemsOf(sized, cell)).toEqual(items);
  });

  it('supports other separators, and ids that contain the weight separator', () => {
    expect(itemsOf({ ...sized, separators: { items: '\u0001', weight: '=' } }, '5=2\u00017')).toEqual([
      [5, 2],
      [7, 1],
    ]);
    expect(itemsOf({ encoding: { name: 'tokens' } }, 'a:b:2|c', ['a:b:1', 'a:b:1|c'])).toEqual([
      [1, 2],
      [2, 1],
    ]);
  });

  it.each([
    ['|', /an id in every item, with '\|' between items/],
    ['1|', /an id in every item/],
    ['1||2', /an id in every item/],
    [':2', /an id in every item/],
    ['1:', /items of the form id or id:weight/],
    ['1:x', /a decimal weight in the range of a 32-bit float/],
    ['1:1e39', /range of a 32-bit float/],
    ['1:NaN', /a decimal weight/],
    ['1:-1', /nonnegative weights, which pooling: mean requires/],
    ['x', /an integer id/],
    ['100', /below 100/],
  ])('of %j is rejected', (cell, message) => {
    expect(() => itemsOf(sized, cell)).toThrow(BadValue);
    expect(() => itemsOf(sized, cell)).toThrow(message);
  });

  it.each([
    [
      '[5, 7,9]',
      [
        [5, 1],
        [7, 1],
        [9, 1],
      ],
    ],
    [
      '["5", "7"]',
      [
        [5, 1],
        [7, 1],
      ],
    ],
    [
      '[[5, 0.5], ["7", 2]]',
      [
        [5, 0.5],
        [7, 2],
      ],
    ],
    [
      '[{"id": 5, "weight": 0.5}, {"id": "7"}, 9]',
      [
        [5, 0.5],
        [7, 1],
        [9, 1],
      ],
    ],
    ['[]', []],
  ] as const)('may be a JSON list: %j', (cell, items) => {
    expect(itemsOf(sized, cell)).toEqual(items);
    expect(itemsOf({ ...sized, format: 'json' }, cell)).toEqual(items);
    expect(itemsOf({ ...sized, format: 'json' }, '')).toEqual([]);
  });

  it.each([
    ['[5, null]', /list items of the form id, \[id, weight\]/],
    ['[[5]]', /list items of the form id, \[id, weight\]/],
    ['[{"item": 5}]', /list items of the form id, \[id, weight\]/],
    ['[{"id": 5, "wieght": 2}]', /list items of the form id, \[id, weight\]/],
    ['[[5, "heavy"]]', /a weight in the range of a 32-bit float for every item/],
    ['[[5, -1]]', /nonnegative weights, which pooling: mean requires/],
    ['[""]', /an id in every item/],
    ['[12345678901234567890]', /JSON ids as strings, or as integers up to 2\^53/],
    ['[1.5]', /JSON ids as strings, or as integers/],
    ['[5, 7', /an integer id/],
    ["['a', 'b']", /a JSON list, such as \["a", "b"\]/],
  ])('as the list %j is rejected', (cell, message) => {
    expect(() => itemsOf(sized, cell)).toThrow(BadValue);
    expect(() => itemsOf(sized, cell)).toThrow(message);
  });

  it('whose values only look like lists is parsed by its separators', () => {
    const tokens = { encoding: { name: 'tokens' } };
    expect(itemsOf(tokens, '[Intro]|[Outro]', ['[Intro]|[Outro]'])).toEqual([
      [1, 1],
      [2, 1],
    ]);
    expect(itemsOf({ ...tokens, format: 'separated' }, '[1]', ['[1]'])).toEqual([[1, 1]]);
    expect(itemsOf({ ...tokens, format: 'separated' }, '1', ['[1]'])).toEqual([[0, 1]]);
    expect(() => itemsOf({ ...tokens, format: 'json' }, '5|7')).toThrow(/a JSON list, such as \[20, 34\]/);
  });

  it('may have negative weights unless the pooling is mean', () => {
    for (const pooling of ['sum', 'sqrtn']) expect(itemsOf({ ...sized, pooling }, '1:-2')).toEqual([[1, -2]]);
  });

  it('selects the items with the largest weights, the first among equals, in their order', () => {
    expect(itemsOf({ ...sized, maxItems: 3 }, '1:1|2:5|3:1|4:3|5:1')).toEqual([
      [1, 1],
      [2, 5],
      [4, 3],
    ]);
    expect(itemsOf({ ...sized, maxItems: 2 }, '1|2|3')).toEqual([
      [1, 1],
      [2, 1],
    ]);
    expect(itemsOf({ ...sized, maxItems: 1 }, '1:0.1|2:0.2')).toEqual([[2, Math.fround(0.2)]]);
    expect(itemsOf({ ...sized, maxItems: 3 }, '1|2|3')).toHaveLength(3);
  });
});
