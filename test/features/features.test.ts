import { describe, expect, it } from 'vitest';
import { BadValue, type Encoder, type Field } from '../../src/features/feature.js';
import { encodedFields, featureTypes, fieldsOf, layoutOf } from '../../src/features/features.js';

const fieldOf = (spec: object): Field => fieldsOf([featureTypes.schema.parse({ fields: ['f'], ...spec })])[0]!;

/** Fits a field on cells and gives its encoder, through JSON as a checkpoint does. */
function fitted(spec: object, cells: readonly string[]): Encoder {
  const field = fieldOf(spec);
  const fit = field.startFit();
  for (const cell of cells) {
    fit?.check(cell);
    fit?.observe(cell);
  }
  return field.encoder(fit === undefined ? undefined : JSON.parse(JSON.stringify(fit.finish())));
}

describe('every feature type', () => {
  for (const type of featureTypes.names) {
    it(`${type} builds a field for each column, from its defaults`, () => {
      const fields = fieldsOf([featureTypes.schema.parse({ type, fields: ['a', 101] })]);
      expect(fields.map(({ name }) => name)).toEqual(['a', '101']);
      for (const field of fields) expect(field.width).toBeGreaterThan(0);
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

describe('numbers', () => {
  it.each([
    ['none', ['1', '3'], { '2': 2, '-0.5': -0.5, '1e3': 1000, '+.5': 0.5 }],
    ['min-max', ['1', '3', '2'], { '1': 0, '3': 1, '2': 0.5, '5': 2 }],
    ['min-max', ['2', '2'], { '2': 0 }],
    ['standard', ['1', '3'], { '1': -1, '3': 1, '2': 0 }],
    ['standard', ['2', '2'], { '2': 0 }],
    ['log1p', [], { '0': 0 }],
  ] as const)('scaled by %s, fitted on %j', (scaling, cells, expected) => {
    const encoder = fitted({ type: 'numeric', scaling }, cells);
    expect(Object.fromEntries(Object.keys(expected).map((cell) => [cell, encoder.encode(cell)]))).toEqual(expected);
  });

  it.each(['', ' ', '1 ', '0x1F', 'Infinity', 'nan', '1e400', '1,5', '--1', '1e', '.'])('are refused as %j', (cell) => {
    expect(() => fitted({ type: 'numeric' }, []).encode(cell)).toThrow(BadValue);
  });

  it('are refused by log1p from -1 down', () => {
    expect(() => fitted({ type: 'numeric', scaling: 'log1p' }, []).encode('-1')).toThrow(/above -1/);
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
