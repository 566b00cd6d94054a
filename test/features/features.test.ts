import { describe, expect, it } from 'vitest';
import { BadValue, CELL_SEPARATOR } from '../../src/features/feature.js';
import { encodedFields, featureTypes, fieldsOf, layoutOf } from '../../src/features/feature-types.js';
import { murmur3, seededHash } from '../../src/features/murmur.js';
import { NOT_TEXT } from '../../src/features/parse.js';
import { createQuantiles } from '../../src/features/quantiles.js';
import { randomStream } from '../../src/random.js';
import { fieldOf, fittedField as fitted } from '../support/fitted-field.js';

/** The least that a group of a type must say. */
const LEAST: Readonly<Record<string, object>> = { date: { parts: ['day'] }, cross: { fields: [['a', 'b'], [101, 'c']], buckets: 5 }, bucketized: { boundaries: [1] }, vector: { length: 3 } };

describe('every feature type', () => {
  for (const type of featureTypes.names) {
    it(`${type} builds a field for each entry of its list, called after its columns, from its defaults`, () => {
      const fields = fieldsOf([featureTypes.schema.parse({ type, fields: ['a', 101], ...LEAST[type] })]);
      expect(fields.map(({ columns }) => columns[0])).toEqual(['a', '101']);
      for (const { name, columns, width, owner } of fields) {
        for (const column of columns) expect(name).toContain(column);
        expect(width).toBeGreaterThan(0);
        expect(owner).toBe(name);
      }
    });
  }
});

describe('ids', () => {
  it('are counted on train where no size is given; what lies beyond is the unknown', () => {
    const encoder = fitted({ type: 'categorical' }, ['3', '0', '7']);
    expect(encoder.rows).toBe(8);
    expect(['0', '3', '7', '8', '2147483647'].map((cell) => encoder.encode(cell))).toEqual([0, 3, 7, 0, 0]);
  });

  it('keep to a size that is given, and need no fit', () => {
    const spec = { type: 'categorical', encoding: { name: 'ids', sizes: { f: 5 } } };
    expect(fieldOf(spec).startFit()).toBeUndefined();
    const encoder = fitted(spec, []);
    expect(encoder.encode('4')).toBe(4);
    expect(() => encoder.encode('5')).toThrow(/below 5/);
  });
});

describe('tokens', () => {
  it('are numbered by frequency, then by their characters; rare, unseen and empty ones are the unknown', () => {
    const encoder = fitted({ type: 'categorical', encoding: { name: 'tokens', minCount: 2 } }, ['b', 'a', 'c', 'c', 'b', 'c', 'a', 'rare', '', '', '']);
    expect(encoder.rows).toBe(4);
    expect(['c', 'a', 'b', 'rare', 'unseen', ''].map((cell) => encoder.encode(cell))).toEqual([1, 2, 3, 0, 0, 0]);
  });

  it('may be called like things of JavaScript', () => {
    const encoder = fitted({ type: 'categorical', encoding: { name: 'tokens' } }, ['__proto__', 'constructor']);
    expect(encoder.rows).toBe(3);
    expect(encoder.encode('toString')).toBe(0);
  });
});

describe('a hash', () => {
  // https://stackoverflow.com/a/31929528 (Ian Boyd), checked against sklearn.utils.murmurhash3_32.
  it.each([
    ['', 0, 0], ['', 1, 0x514e28b7], ['', 0xffffffff, 0x81f16f39], ['a', 0x9747b28c, 0x7fa09ea6], ['ab', 0x9747b28c, 0x74875592],
    ['abc', 0x9747b28c, 0xc84a62dd], ['abcd', 0x9747b28c, 0xf0478627], ['Hello, world!', 0x9747b28c, 0x24884cba], ['ππππππππ', 0x9747b28c, 0xd58063c1],
    ['The quick brown fox jumps over the lazy dog', 0x9747b28c, 0x2fa826cd], ['a'.repeat(256), 0x9747b28c, 0x37405bdc],
  ])('of %j with seed %i is that of MurmurHash3', (text, seed, expected) => {
    const bytes = new TextEncoder().encode(text);
    expect(murmur3(bytes, 0, bytes.length, seed)).toBe(expected);
    // The bytes of the text, however they are come by.
    expect(seededHash(2 ** 31 - 2, seed)(text)).toBe(expected % (2 ** 31 - 2));
  });

  it('puts texts into buckets from 1 on, and nothing into 0', () => {
    const spec = { type: 'categorical', encoding: { name: 'hash', buckets: 7, seed: 3 } };
    expect(fieldOf(spec).startFit()).toBeUndefined();
    const { rows, encode } = fitted(spec, []);
    const ids = Array.from({ length: 500 }, (_, i) => encode(`é${i}`));
    expect([rows, encode(''), Math.min(...ids), Math.max(...ids)]).toEqual([8, 0, 1, 7]);
    expect(() => encode(`a${NOT_TEXT}`)).toThrow(/UTF-8/);
    // Whose second half is what stands for bytes that are no text.
    expect('👍🏿'.endsWith(NOT_TEXT)).toBe(true);
    expect(encode('👍🏿')).toBeGreaterThan(0);
    expect(encode('a\ufffd')).toBeGreaterThan(0);
    const other = fitted({ ...spec, encoding: { ...spec.encoding, seed: 4 } }, []);
    expect(Array.from({ length: 500 }, (_, i) => other.encode(`é${i}`))).not.toEqual(ids);
  });
});

describe('a cross', () => {
  const spec = { type: 'cross', fields: [['a', 'b']], buckets: 1000 };
  const { rows, encode } = fitted(spec, []);
  const of = (...cells: string[]): number => encode(cells.join(CELL_SEPARATOR));

  it('hashes the texts of its cells together, and tells where one ends', () => {
    expect(rows).toBe(1001);
    expect(of('1', '23')).toBe(of('1', '23'));
    expect(of('1', '23')).not.toBe(of('12', '3'));
    expect(() => of('1', `2${CELL_SEPARATOR}3`)).toThrow(/U\+001F/);
  });

  it('is the unknown where a cell is empty', () => {
    expect([of('', '1'), of('1', ''), of('', '')]).toEqual([0, 0, 0]);
  });

  it('is exact as tokens: a row of the table for each combination of train that is frequent enough', () => {
    const cells = ['1|23', '12|3', '1|23', '12|3', 'rare|1', '|5', '|5'].map((cell) => cell.replace('|', CELL_SEPARATOR));
    const exact = fitted({ type: 'cross', fields: [['a', 'b']], encoding: { name: 'tokens', minCount: 2 } }, cells);
    expect(exact.rows).toBe(3);
    expect(cells.map((cell) => exact.encode(cell))).toEqual([1, 2, 1, 2, 0, 0, 0]);
    expect(() => exact.encode('1')).toThrow(/U\+001F/);
  });

  it('has buckets as its encoding by hash has them', () => {
    const hashed = fitted({ type: 'cross', fields: [['a', 'b']], encoding: { name: 'hash', buckets: 1000 } }, []);
    for (let i = 0; i < 100; i++) expect(hashed.encode(`${i}${CELL_SEPARATOR}x`)).toBe(of(String(i), 'x'));
  });
});

describe('a bag', () => {
  /** Items of a cell, with their ids encoded. */
  const itemsOf = (spec: object, cell: string, cells: readonly string[] = []): [number, number][] => {
    const field = fieldOf({ type: 'bag', ...spec });
    if (field.kind !== 'bag') throw new Error('not a bag');
    const fit = field.startFit();
    for (const one of cells) field.keep(field.split(one), (key) => fit?.observe(key));
    const { encode } = field.encoder(fit?.finish());
    const items: [number, number][] = [];
    field.keep(field.split(cell), (key, weight) => items.push([encode(key), weight]));
    return items;
  };
  const sized = { encoding: { sizes: { f: 100 } } };

  it.each([
    ['5:0.5|7:2|9', [[5, 0.5], [7, 2], [9, 1]]],
    ['', []],
    ['3', [[3, 1]]],
    ['3:0|3:1e-3', [[3, 0], [3, 0.001]]],
  ] as const)('takes %j apart', (cell, items) => {
    expect(itemsOf(sized, cell)).toEqual(items);
  });

  it('takes other separators, and ids that hold the one before a weight', () => {
    expect(itemsOf({ ...sized, separators: { items: '\u0001', weight: '=' } }, '5=2\u00017')).toEqual([[5, 2], [7, 1]]);
    expect(itemsOf({ encoding: { name: 'tokens' } }, 'a:b:2|c', ['a:b:1', 'a:b:1|c'])).toEqual([[1, 2], [2, 1]]);
  });

  it.each([
    ['|', /an id in every item, with '\|' between items/],
    ['1|', /an id in every item/],
    ['1||2', /an id in every item/],
    [':2', /an id in every item/],
    ['1:', /an id, ':' and a weight/],
    ['1:x', /a weight: a decimal number/],
    ['1:1e39', /range of a 32-bit float/],
    ['1:NaN', /a weight/],
    ['1:-1', /at least 0, of which a mean/],
    ['x', /an id: a whole number/],
    ['100', /below 100/],
  ])('of %j is refused', (cell, message) => {
    expect(() => itemsOf(sized, cell)).toThrow(BadValue);
    expect(() => itemsOf(sized, cell)).toThrow(message);
  });

  it.each([
    ['[5, 7,9]', [[5, 1], [7, 1], [9, 1]]],
    ['["5", "7"]', [[5, 1], [7, 1]]],
    ['[[5, 0.5], ["7", 2]]', [[5, 0.5], [7, 2]]],
    ['[{"id": 5, "weight": 0.5}, {"id": "7"}, 9]', [[5, 0.5], [7, 1], [9, 1]]],
    ['[]', []],
  ] as const)('may be a list in JSON: %j', (cell, items) => {
    expect(itemsOf(sized, cell)).toEqual(items);
    expect(itemsOf({ ...sized, format: 'json' }, cell)).toEqual(items);
    expect(itemsOf({ ...sized, format: 'json' }, '')).toEqual([]);
  });

  it.each([
    ['[5, null]', /every item of the list to be an id/],
    ['[[5]]', /every item of the list to be an id/],
    ['[{"item": 5}]', /every item of the list to be an id/],
    ['[{"id": 5, "wieght": 2}]', /every item of the list to be an id/],
    ['[[5, "heavy"]]', /every item to have a weight/],
    ['[[5, -1]]', /at least 0, of which a mean/],
    ['[""]', /an id in every item/],
    ['[12345678901234567890]', /texts, or whole numbers up to 2\^53/],
    ['[1.5]', /texts, or whole numbers/],
    ['[5, 7', /an id: a whole number/],
    ["['a', 'b']", /a list in JSON, as \["a", "b"\]/],
  ])('as the list %j is refused', (cell, message) => {
    expect(() => itemsOf(sized, cell)).toThrow(BadValue);
    expect(() => itemsOf(sized, cell)).toThrow(message);
  });

  it('whose texts only look like a list is what its separators say', () => {
    const tokens = { encoding: { name: 'tokens' } };
    expect(itemsOf(tokens, '[Intro]|[Outro]', ['[Intro]|[Outro]'])).toEqual([[1, 1], [2, 1]]);
    expect(itemsOf({ ...tokens, format: 'separated' }, '[1]', ['[1]'])).toEqual([[1, 1]]);
    expect(itemsOf({ ...tokens, format: 'separated' }, '1', ['[1]'])).toEqual([[0, 1]]);
    expect(() => itemsOf({ ...tokens, format: 'json' }, '5|7')).toThrow(/a list in JSON, as \[20, 34\]/);
  });

  it('may have negative weights where no mean is taken', () => {
    for (const pooling of ['sum', 'sqrtn']) expect(itemsOf({ ...sized, pooling }, '1:-2')).toEqual([[1, -2]]);
  });

  it('keeps the heaviest items where there are too many, the first among equals, in their order', () => {
    expect(itemsOf({ ...sized, maxItems: 3 }, '1:1|2:5|3:1|4:3|5:1')).toEqual([[1, 1], [2, 5], [4, 3]]);
    expect(itemsOf({ ...sized, maxItems: 2 }, '1|2|3')).toEqual([[1, 1], [2, 1]]);
    expect(itemsOf({ ...sized, maxItems: 1 }, '1:0.1|2:0.2')).toEqual([[2, 0.2]]);
    expect(itemsOf({ ...sized, maxItems: 3 }, '1|2|3')).toHaveLength(3);
  });
});

describe('a bucketized number', () => {
  const idsOf = (spec: object, train: readonly (string | number)[], cells: readonly (string | number)[]): number[] => {
    const { encode, rows } = fitted({ type: 'bucketized', ...spec }, train.map(String));
    const ids = cells.map((cell) => encode(String(cell)));
    expect(Math.max(...ids)).toBeLessThan(rows);
    return ids;
  };

  it('is in the bucket above a boundary that it meets; nothing is the unknown', () => {
    expect(idsOf({ boundaries: [-1, 0.5, 10] }, [], ['', -2, -1, 0, 0.5, 9.99, 10, 1e30])).toEqual([0, 1, 2, 2, 3, 3, 4, 4]);
    expect(() => idsOf({ boundaries: [0] }, [], ['x'])).toThrow(BadValue);
  });

  it('has buckets of equally many numbers of train where quantiles are asked for', () => {
    const train = Array.from({ length: 1000 }, (_, i) => (i * 7919) % 1000);
    const counts = new Map<number, number>();
    for (const id of idsOf({ quantiles: 8 }, train, train)) counts.set(id, (counts.get(id) ?? 0) + 1);
    expect([...counts].sort(([a], [b]) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((id) => [id, 125]));
  });

  it.each([
    ['half of it one number', [0, 0, 0, 0, 1, 2, 3, 4], 4, [1, 1, 1, 1, 2, 2, 3, 3]],
    ['most of it the least', [5, 5, 5, 9], 2, [1, 1, 1, 2]],
    ['most of it the largest', [1, 2, 9, 9, 9], 2, [1, 1, 2, 2, 2]],
    ['two numbers', [5, 5, 9], 10, [1, 1, 2]],
    ['one number', [3, 3, 3, ''], 4, [1, 1, 1, 0]],
    ['no number', ['', ''], 4, [0, 0]],
  ] as const)('merges buckets that hold the same number: %s', (_, train, quantiles, ids) => {
    expect(idsOf({ quantiles }, train, train)).toEqual(ids);
  });
});

describe('quantiles', () => {
  it('of more different numbers than are counted are near the exact ones, whatever their order, and the same each time', () => {
    const count = 600_000;
    const random = randomStream(5, 'numbers');
    const shuffled = Float64Array.from({ length: count }, () => random.normal() ** 3);
    const sorted = shuffled.toSorted();
    for (const numbers of [shuffled, sorted]) {
      const found = [0, 1].map(() => {
        const quantiles = createQuantiles();
        for (const number of numbers) quantiles.observe(number);
        return quantiles.boundaries(100);
      });
      expect(found[0]).toEqual(found[1]);
      expect(found[0]).toHaveLength(99);
      let worst = 0;
      found[0]!.forEach((boundary, i) => {
        const below = sorted.findLastIndex((number) => number < boundary) + 1;
        worst = Math.max(worst, Math.abs(below / count - (i + 1) / 100));
      });
      // Five of the deviations that the sketch claims.
      expect(worst).toBeLessThan(5e-4);
    }
  });

  it('have the median of what was counted, and nearly that of what was not', () => {
    const medianOf = (numbers: readonly number[]): number => {
      const quantiles = createQuantiles();
      for (const number of numbers) quantiles.observe(number);
      return quantiles.median();
    };
    expect([[3, 1, 2], [4, 1, 2, 3], [1, 1, 1, 9], [5], [1, 1, 9, 9], []].map(medianOf)).toEqual([2, 2.5, 1, 5, 5, NaN]);
    expect(Math.abs(medianOf(Array.from({ length: 200_000 }, (_, i) => (i * 7919) % 200_000)) - 99_999.5)).toBeLessThan(100);
  });

  it('keep what was counted before there were too many', () => {
    const quantiles = createQuantiles();
    for (let i = 0; i < 300_000; i++) quantiles.observe(0);
    for (let i = 1; i <= 100_000; i++) quantiles.observe(i);
    const found = quantiles.boundaries(10);
    expect(found).toHaveLength(3);
    [1, 20_000, 60_000].forEach((exact, i) => expect(Math.abs(found[i]! - exact)).toBeLessThan(300));
  });
});

describe('a shared table', () => {
  const fields = fieldsOf([
    featureTypes.schema.parse({ type: 'bag', fields: ['seen', 'bought'], table: { seen: 'item' }, encoding: { name: 'tokens' }, width: 4 }),
    featureTypes.schema.parse({ type: 'categorical', fields: ['item'], encoding: { name: 'tokens' }, width: 4 }),
  ]);

  it('has the encoding of its owner, learned once, and one place in the layout', () => {
    const encoded = encodedFields(fields, { item: { vocabulary: ['x', 'y'] }, bought: { vocabulary: [] } });
    expect(encoded.map(({ name, rows, encode }) => [name, rows, encode('y')])).toEqual([['seen', 3, 2], ['bought', 1, 0], ['item', 3, 2]]);
    expect(layoutOf(encoded)).toEqual({
      width: 12,
      tables: [{ name: 'bought', rows: 1, width: 4 }, { name: 'item', rows: 3, width: 4 }],
      columns: [
        { field: 'seen', offset: 0, width: 4, kind: 'bag', table: 'item', pooling: 'mean' },
        { field: 'bought', offset: 4, width: 4, kind: 'bag', table: 'bought', pooling: 'mean' },
        { field: 'item', offset: 8, width: 4, kind: 'id', table: 'item' },
      ],
    });
  });
});

describe('numbers', () => {
  it.each([
    ['none', ['1', '3'], { '2': 2, '-0.5': -0.5, '1e3': 1000, '+.5': 0.5 }],
    ['min-max', ['1', '3', '2'], { '1': 0, '3': 1, '2': 0.5, '5': 2 }],
    ['min-max', ['2', '2'], { '2': 0 }],
    ['standard', ['1', '3'], { '1': -1, '3': 1, '2': 0 }],
    ['standard', ['2', '2'], { '2': 0 }],
    ['log1p', [], { '0': 0 }],
    [['log1p', 'standard'], ['0', String(Math.E ** 2 - 1)], { '0': -1, [String(Math.E - 1)]: 0, [String(Math.E ** 3 - 1)]: 2 }],
    [['min-max', 'log1p'], ['1', '3'], { '1': 0, '3': Math.log(2) }],
    [['log1p', 'none'], [], { '0': 0 }],
  ] as const)('scaled by %s, fitted on %j', (scaling, cells, expected) => {
    const encoder = fitted({ type: 'numeric', scaling }, cells);
    for (const [cell, number] of Object.entries(expected)) expect(encoder.encode(cell), cell).toBeCloseTo(number, 12);
  });

  it.each(['', ' ', '1 ', '0x1F', 'Infinity', 'nan', '1e400', '1,5', '--1', '1e', '.'])('are refused as %j', (cell) => {
    expect(() => fitted({ type: 'numeric' }, []).encode(cell)).toThrow(BadValue);
  });

  it('are what JavaScript makes of them, to the last bit, however they are written', () => {
    const { encode } = fitted({ type: 'numeric' }, []);
    const random = randomStream(1, 'decimals');
    for (let i = 0; i < 20_000; i++) {
      const digits = String(Math.floor(random.uniform() * 10 ** (1 + random.below(17))));
      const dot = random.below(digits.length + 2);
      const text = dot > digits.length ? digits : `${digits.slice(0, dot)}.${digits.slice(dot)}`;
      expect(Object.is(encode(text), Number(text)), text).toBe(true);
    }
  });

  it('are refused by log1p from -1 down, and not learned from', () => {
    expect(() => fitted({ type: 'numeric', scaling: 'log1p' }, []).encode('-1')).toThrow(/above -1/);
    const fit = fieldOf({ type: 'numeric', scaling: ['log1p', 'standard'] }).startFit()!;
    expect(() => fit.check('-1')).toThrow(/above -1/);
    expect(() => fit.direct!.cell === 'number' && fit.direct!.check!(-1)).toThrow(/above -1/);
  });
});

describe('fitted state', () => {
  it('that is not what a field learns is a checkpoint error that names the field', () => {
    expect(() => encodedFields([fieldOf({ type: 'categorical' })], { f: { size: 'many' } })).toThrow(/features\.json: f: not what this field/);
    expect(() => encodedFields([fieldOf({ type: 'categorical' })], {})).toThrow(/features\.json: f/);
  });
});

describe('the layout', () => {
  it('lays fields side by side in the order of the config', () => {
    const fields = fieldsOf([
      featureTypes.schema.parse({ type: 'numeric', fields: ['x'] }),
      featureTypes.schema.parse({ type: 'categorical', fields: ['a', 'b'], width: 3, encoding: { sizes: { a: 4, b: 5 } } }),
    ]);
    expect(layoutOf(encodedFields(fields, {}))).toEqual({
      width: 7,
      tables: [{ name: 'a', rows: 4, width: 3 }, { name: 'b', rows: 5, width: 3 }],
      columns: [
        { field: 'x', offset: 0, width: 1, kind: 'number' },
        { field: 'a', offset: 1, width: 3, kind: 'id', table: 'a' },
        { field: 'b', offset: 4, width: 3, kind: 'id', table: 'b' },
      ],
    });
  });
});
