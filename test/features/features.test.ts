import { describe, expect, it } from 'vitest';
import { BadValue, CELL_SEPARATOR } from '../../src/features/feature.js';
import { encodedFields, featureTypes, createFields, computeLayout } from '../../src/features/feature-types.js';
import { murmur3 } from '../../src/core/murmur.js';
import { seededHash } from '../../src/features/murmur.js';
import { NOT_TEXT } from '../../src/features/parse.js';
import { randomStream } from '../../src/core/random.js';
import { fieldOf, fittedField as fitted } from '../support/fitted-field.js';

/** The least that a group of a type must say. */
const MINIMAL: Readonly<Record<string, object>> = {
  date: { parts: ['day'] },
  cross: {
    fields: [
      ['a', 'b'],
      [101, 'c'],
    ],
    buckets: 5,
  },
  bucketized: { boundaries: [1] },
  vector: { length: 3 },
  sequence: { encoder: 'pooling' },
  match: { fields: ['a', 101].map((candidate) => ({ candidate, history: 'h' })), outputs: ['count'] },
  expression: { fields: ['a', '101'].map((name) => ({ name, expression: `\`${name}\` + 1` })) },
};

describe('every feature type', () => {
  for (const type of featureTypes.names) {
    it(`${type} builds a field per entry of its list, named after its columns, with default options`, () => {
      const fields = createFields([featureTypes.schema.parse({ type, fields: ['a', 101], ...MINIMAL[type] })]);
      expect(fields.map(({ columns }) => columns[0])).toEqual(['a', '101']);
      for (const { name, columns, width, owner } of fields) {
        // A sequence reads all of its columns together.
        for (const column of type === 'sequence' ? columns.slice(0, 1) : columns) expect(name).toContain(column);
        expect(width).toBeGreaterThan(0);
        expect(owner).toBe(name);
      }
    });
  }
});

describe('ids', () => {
  it('have the size of the training set by default; larger ids are out of vocabulary', () => {
    const encoder = fitted({ type: 'categorical' }, ['3', '0', '7']);
    expect(encoder.rows).toBe(8);
    expect(['0', '3', '7', '8', '2147483647'].map((cell) => encoder.encode(cell))).toEqual([0, 3, 7, 0, 0]);
  });

  it('have a configured size, and require no fit', () => {
    const spec = { type: 'categorical', encoding: { name: 'ids', sizes: { f: 5 } } };
    expect(fieldOf(spec).startFit).toBeUndefined();
    const encoder = fitted(spec, []);
    expect(encoder.encode('4')).toBe(4);
    expect(() => encoder.encode('5')).toThrow(/below 5/);
  });
});

describe('tokens', () => {
  it('are ordered by frequency, then by string; rare, unknown and missing ones are out of vocabulary', () => {
    const encoder = fitted({ type: 'categorical', encoding: { name: 'tokens', minCount: 2 } }, [
      'b',
      'a',
      'c',
      'c',
      'b',
      'c',
      'a',
      'rare',
      '',
      '',
      '',
    ]);
    expect(encoder.rows).toBe(4);
    expect(['c', 'a', 'b', 'rare', 'unseen', ''].map((cell) => encoder.encode(cell))).toEqual([1, 2, 3, 0, 0, 0]);
  });

  it('may have names of JavaScript properties', () => {
    const encoder = fitted({ type: 'categorical', encoding: { name: 'tokens' } }, ['__proto__', 'constructor']);
    expect(encoder.rows).toBe(3);
    expect(encoder.encode('toString')).toBe(0);
  });
});

describe('a hash', () => {
  // https://stackoverflow.com/a/31929528 (Ian Boyd), checked against sklearn.utils.murmurhash3_32.
  it.each([
    ['', 0, 0],
    ['', 1, 0x514e28b7],
    ['', 0xffffffff, 0x81f16f39],
    ['a', 0x9747b28c, 0x7fa09ea6],
    ['ab', 0x9747b28c, 0x74875592],
    ['abc', 0x9747b28c, 0xc84a62dd],
    ['abcd', 0x9747b28c, 0xf0478627],
    ['Hello, world!', 0x9747b28c, 0x24884cba],
    ['ππππππππ', 0x9747b28c, 0xd58063c1],
    ['The quick brown fox jumps over the lazy dog', 0x9747b28c, 0x2fa826cd],
    ['a'.repeat(256), 0x9747b28c, 0x37405bdc],
  ])('of %j with seed %i matches MurmurHash3', (text, seed, expected) => {
    const bytes = new TextEncoder().encode(text);
    expect(murmur3(bytes, 0, bytes.length, seed)).toBe(expected);
    // The bytes of the text, however they are come by.
    expect(seededHash(2 ** 31 - 2, seed)(text)).toBe(expected % (2 ** 31 - 2));
  });

  it('maps strings to buckets from 1, and never to 0', () => {
    const spec = { type: 'categorical', encoding: { name: 'hash', buckets: 7, seed: 3 } };
    expect(fieldOf(spec).startFit).toBeUndefined();
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

  it('hashes its values together, with their boundaries', () => {
    expect(rows).toBe(1001);
    expect(of('1', '23')).toBe(of('1', '23'));
    expect(of('1', '23')).not.toBe(of('12', '3'));
    expect(() => of('1', `2${CELL_SEPARATOR}3`)).toThrow(/U\+001F/);
  });

  it('is out of vocabulary if a value is missing', () => {
    expect([of('', '1'), of('1', ''), of('', '')]).toEqual([0, 0, 0]);
  });

  it('as tokens has a row per frequent combination of the training set', () => {
    const cells = ['1|23', '12|3', '1|23', '12|3', 'rare|1', '|5', '|5'].map((cell) =>
      cell.replace('|', CELL_SEPARATOR),
    );
    const exact = fitted({ type: 'cross', fields: [['a', 'b']], encoding: { name: 'tokens', minCount: 2 } }, cells);
    expect(exact.rows).toBe(3);
    expect(cells.map((cell) => exact.encode(cell))).toEqual([1, 2, 1, 2, 0, 0, 0]);
    expect(() => exact.encode('1')).toThrow(/U\+001F/);
  });

  it('has the same buckets as a hash encoding', () => {
    const hashed = fitted({ type: 'cross', fields: [['a', 'b']], encoding: { name: 'hash', buckets: 1000 } }, []);
    for (let i = 0; i < 100; i++) expect(hashed.encode(`${i}${CELL_SEPARATOR}x`)).toBe(of(String(i), 'x'));
  });
});

describe('a shared table', () => {
  const fields = createFields([
    featureTypes.schema.parse({
      type: 'bag',
      fields: ['seen', 'bought'],
      table: { seen: 'item' },
      encoding: { name: 'tokens' },
      width: 4,
    }),
    featureTypes.schema.parse({ type: 'categorical', fields: ['item'], encoding: { name: 'tokens' }, width: 4 }),
  ]);

  it("has its owner's encoding, fitted once, and one table in the layout", () => {
    const encoded = encodedFields(fields, { item: { vocabulary: ['x', 'y'] }, bought: { vocabulary: [] } });
    expect(encoded.map(({ name, rows, encode }) => [name, rows, encode('y')])).toEqual([
      ['seen', 3, 2],
      ['bought', 1, 0],
      ['item', 3, 2],
    ]);
    expect(computeLayout(encoded)).toEqual({
      width: 12,
      tables: [
        { name: 'bought', rows: 1, width: 4 },
        { name: 'item', rows: 3, width: 4 },
      ],
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
    [
      ['log1p', 'standard'],
      ['0', String(Math.E ** 2 - 1)],
      { '0': -1, [String(Math.E - 1)]: 0, [String(Math.E ** 3 - 1)]: 2 },
    ],
    [['min-max', 'log1p'], ['1', '3'], { '1': 0, '3': Math.log(2) }],
    [['log1p', 'none'], [], { '0': 0 }],
  ] as const)('scaled by %s, fitted on %j', (scaling, cells, expected) => {
    const encoder = fitted({ type: 'numeric', scaling }, cells);
    for (const [cell, number] of Object.entries(expected)) expect(encoder.encode(cell), cell).toBeCloseTo(number, 12);
  });

  it.each(['', ' ', '1 ', '0x1F', 'Infinity', 'nan', '1e400', '1,5', '--1', '1e', '.'])(
    'are rejected as %j',
    (cell) => {
      expect(() => fitted({ type: 'numeric' }, []).encode(cell)).toThrow(BadValue);
    },
  );

  it('are parsed exactly as JavaScript does, in any notation', () => {
    const { encode } = fitted({ type: 'numeric' }, []);
    const random = randomStream(1, 'decimals');
    for (let i = 0; i < 20_000; i++) {
      const digits = String(Math.floor(random.uniform() * 10 ** (1 + random.below(17))));
      const dot = random.below(digits.length + 2);
      const text = dot > digits.length ? digits : `${digits.slice(0, dot)}.${digits.slice(dot)}`;
      expect(Object.is(encode(text), Number(text)), text).toBe(true);
    }
  });

  it('of at most -1 are rejected by log1p, and not fitted', () => {
    expect(() => fitted({ type: 'numeric', scaling: 'log1p' }, []).encode('-1')).toThrow(/above -1/);
    const fit = fieldOf({ type: 'numeric', scaling: ['log1p', 'standard'] }).startFit!();
    expect(() => fit.check('-1')).toThrow(/above -1/);
    expect(() => fit.direct!.cell === 'number' && fit.direct!.check!(-1)).toThrow(/above -1/);
  });
});

describe('fitted state', () => {
  it('of another field type is a checkpoint error that names the field', () => {
    expect(() => encodedFields([fieldOf({ type: 'categorical' })], { f: { size: 'many' } })).toThrow(
      /features\.json: f: does not match this field of the config/,
    );
    expect(() => encodedFields([fieldOf({ type: 'categorical' })], {})).toThrow(/features\.json: f/);
  });
});

describe('the layout', () => {
  it('places fields in config order', () => {
    const fields = createFields([
      featureTypes.schema.parse({ type: 'numeric', fields: ['x'] }),
      featureTypes.schema.parse({
        type: 'categorical',
        fields: ['a', 'b'],
        width: 3,
        encoding: { sizes: { a: 4, b: 5 } },
      }),
    ]);
    expect(computeLayout(encodedFields(fields, {}))).toEqual({
      width: 7,
      tables: [
        { name: 'a', rows: 4, width: 3 },
        { name: 'b', rows: 5, width: 3 },
      ],
      columns: [
        { field: 'x', offset: 0, width: 1, kind: 'number' },
        { field: 'a', offset: 1, width: 3, kind: 'id', table: 'a' },
        { field: 'b', offset: 4, width: 3, kind: 'id', table: 'b' },
      ],
    });
  });
});
