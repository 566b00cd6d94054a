import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FeatureColumns } from '../../src/prepare/feature-columns.js';
import { fieldPlans } from '../../src/prepare/fields.js';
import { BadLine, readOddFeatures } from '../../src/prepare/raw-line.js';

const fields = fieldPlans({ rest: 3, byField: {} }, { rest: 1, byField: {} });

/** Formats `205:7:1.0 210:3:0.5` in the raw format. */
const features = (text: string): string =>
  text
    .split(' ')
    .map((feature) => feature.replace(':', '\x02').replace(':', '\x03'))
    .join('\x01');

const cellsOf = (columns: FeatureColumns) => ({
  cells: Object.fromEntries([...columns.columns()].map(([name, data]) => [name, [...data]])),
  cuts: columns.cuts,
});

/** Reads a line with the kernels and without them, which reports errors, and compares both. */
function read(line: string) {
  const bytes = Buffer.from(line, 'latin1');
  const columns = new FeatureColumns(fields);
  const names = fields.map(({ name }) => name);
  const plain = new FeatureColumns(fields);
  bytes.copy(plain.lines(bytes.length));
  const next = plain.readFeatures(0);
  try {
    expect(readOddFeatures(bytes, 0, names, columns)).toBe(bytes.length);
  } catch (error) {
    expect(next).toBe(0);
    throw error;
  }
  columns.endRow();
  const result = cellsOf(columns);
  if (next > 0) {
    plain.endRow();
    expect(next).toBe(bytes.length);
    expect(cellsOf(plain)).toEqual(result);
  }
  return { ...result, isPlain: next > 0 };
}

describe('raw feature line', () => {
  it('is parsed to ids and weights by field', () => {
    expect(read(`4,${features('205:7:1.0 109_14:12:0.25 109_14:13:2 508:9356602:2.30259')}\n`).cells).toEqual({
      '205': [7],
      '109_14.offsets': [0, 2],
      '109_14.ids': [13, 12],
      '109_14.weights': [2, 0.25],
      '508': [9356602],
      '508.weights': [Math.fround(2.30259)],
    });
  });

  it.each([
    ['0', 0],
    ['4294967295', 4294967295],
    ['999999999', 999999999],
    ['1000000000', 1000000000],
    ['9007199254740990', 9007199254740990],
  ])('preserves the id %s exactly', (text, id) => {
    expect(read(`1,${features(`205:${text}:1`)}\n`).cells['205']).toEqual([id]);
  });

  it.each([
    '1',
    '1.',
    '1.0',
    '0.5',
    '.5',
    '0.69315',
    '123456.789',
    '0.123456789',
    '0.1234567890123',
    '12345678901234567890',
    '1e-3',
    '2.5E+2',
    '0',
  ])('reads the weight %s as a float', (text) => {
    expect(read(`1,${features(`210:1:${text}`)}\n`).cells['210.weights']).toEqual([Math.fround(Number(text))]);
  });

  it('may end with a carriage return or have no features', () => {
    expect(read(`1,${features('205:7:1.0')}\r\n`).cells).toEqual({ '205': [7] });
    expect(read('0,\n').cells).toEqual({});
    expect(read('0,\r\n').cells).toEqual({});
  });

  it('retains the items of largest weight, ties by smaller id, and counts the others', () => {
    const { cells, cuts } = read(
      `8,${features('210:5:1 210:9:3 210:1:2 210:2:1 206:8:1.0 206:4:1.0 206:6:2 206:7:0.5')}\n`,
    );
    expect(cells).toEqual({ '206': [6], '210.offsets': [0, 3], '210.ids': [9, 1, 2], '210.weights': [3, 2, 1] });
    expect(cuts).toEqual({ '206': { rows: 1, values: 3 }, '210': { rows: 1, values: 1 } });
  });

  it('is parsed by kernels if it is plain', () => {
    const isPlain = (text: string): boolean => read(`${text}\n`).isPlain;
    expect(
      [
        '0,',
        `1,${features('205:7:1.0')}`,
        `1,${features('205:999999999:123456.78901234')}\r`,
        `2,${features('109_14:12:0.25 210:0:.5')}`,
      ].map(isPlain),
    ).toEqual([true, true, true, true]);
    expect(
      [
        '0,\r',
        `1,${features('205:1000000000:1')}`,
        `1,${features('210:1:1e-3')}`,
        `1,${features('210:1:1234567890.1234567')}`,
      ].map(isPlain),
    ).toEqual([false, false, false, false]);
  });

  it('retains the first items of a stable sort for any rows and limit', () => {
    const valueOf = fc.record({
      field: fc.constantFrom('101', '205', '210', '109_14'),
      id: fc.nat(50),
      weight: fc.nat(5),
    });
    fc.assert(
      fc.property(
        fc.array(fc.array(valueOf, { maxLength: 60 }), { maxLength: 5 }),
        fc.integer({ min: 1, max: 70 }),
        (rows, cap) => {
          const columns = new FeatureColumns(fieldPlans({ rest: cap, byField: {} }, { rest: 1, byField: {} }));
          const text = rows
            .map(
              (values) =>
                `${values.length},` +
                `${values.map(({ field, id, weight }) => `${field}\x02${id}\x03${weight}`).join('\x01')}\n`,
            )
            .join('');
          Buffer.from(text).copy(columns.lines(text.length));
          for (let at = 0, r = 0; r < rows.length; r++, columns.endRow()) at = columns.readFeatures(at);
          const ofRow = (field: string, r: number) =>
            rows[r]!.filter((value) => value.field === field)
              .toSorted((a, b) => b.weight - a.weight || a.id - b.id)
              .slice(0, cap);
          const filled = columns.columns();
          for (const field of ['101', '205'])
            expect([...(filled.get(field) ?? rows.map(() => 0xffffffff))]).toEqual(
              rows.map((_, r) => ofRow(field, r)[0]?.id ?? 0xffffffff),
            );
          for (const field of ['210', '109_14']) {
            const [ids, weights] = [filled.get(`${field}.ids`) ?? [], filled.get(`${field}.weights`) ?? []];
            expect(Array.from(ids, (id, i) => ({ field, id, weight: weights[i]! }))).toEqual(
              rows.flatMap((_, r) => ofRow(field, r)),
            );
          }
        },
      ),
    );
  });

  it('allocates memory for any number of rows and values', () => {
    const columns = new FeatureColumns(fieldPlans({ rest: 1 << 20, byField: {} }, { rest: 1, byField: {} }));
    const values = Array.from({ length: 30_000 }, (_, i) => `210\x02${i}\x03${i % 2}`);
    const text = `${values.length},${values.join('\x01')}\n`;
    for (const round of [1, 2]) {
      columns.clear();
      Buffer.from(text).copy(columns.lines(text.length));
      expect(columns.readFeatures(0), String(round)).toBe(text.length);
      columns.endRow();
      for (let r = 0; r < 10_000; r++) {
        columns.beginRow();
        columns.add(0, r, 1);
        columns.endRow();
      }
      const filled = columns.columns();
      expect([...filled.get('101')!]).toEqual([0xffffffff, ...Array.from({ length: 10_000 }, (_, r) => r)]);
      expect([...filled.get('210.ids')!.subarray(0, 3)]).toEqual([1, 3, 5]);
      expect(filled.get('210.ids')).toHaveLength(values.length);
      expect([...filled.get('210.offsets')!.subarray(-2)]).toEqual([values.length, values.length]);
    }
  });

  it.each([
    ['letters in an id', `1,${features('205:7x:1.0')}`, /an id: an integer in digits, found 7x/],
    ['a negative id', `1,${features('205:-7:1.0')}`, /an id: an integer in digits, found -7/],
    ['no id', `1,${features('205::1.0')}`, /an id: an integer in digits/],
    [
      'an id beyond the exact range',
      `1,${features('205:9007199254740991:1')}`,
      /an id below 2\^53 - 1, found 9007199254740991/,
    ],
    ['letters for a weight', `1,${features('205:7:heavy')}`, /a weight: a decimal number of at least 0, found heavy/],
    ['a negative weight', `1,${features('210:7:-1')}`, /a weight: .*, found -1/],
    ['no weight', `1,${features('210:7:')}`, /a weight: .*, found the end of the line/],
    ['an infinite weight', `1,${features('210:7:1e999')}`, /a weight: .*, found 1e999/],
    ['an unknown field', `1,${features('999:7:1.0')}`, /one of the fields 101, .*, found 999/],
    ['a field with a longer name', `1,${features('205205205205:7:1.0')}`, /one of the fields .*, found 205205205205/],
    ['a field with letters', `1,${features('D508:7:1.0')}`, /one of the fields .*, found D508/],
    ['an empty field', `1,${features(':7:1.0')}`, /one of the fields/],
    ['wrong separators', '1,205:7:1.0', /one of the fields .*, found 205:7:1\.0/],
    ['a line that ends within a feature', '1,205\x027', /an id: an integer in digits, found 7/],
    ['a line that ends within a field', '1,20', /features: field/],
    ['more features than declared', `1,${features('205:7:1.0 206:7:1.0')}`, /1 features as the line declares, found 2/],
    [
      'fewer features than declared',
      `3,${features('205:7:1.0 206:7:1.0')}`,
      /3 features as the line declares, found 2/,
    ],
    ['no number of features', `x,${features('205:7:1.0')}`, /the number of features and a comma, found x/],
    ['a separator at the end', `1,${features('205:7:1.0')}\x01`, /features: field/],
  ])('rejects %s', (_, line, message) => {
    let error: unknown;
    try {
      read(`${line}\n`);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(BadLine);
    const { expected, found } = error as BadLine;
    expect(`${expected}, found ${found}`).toMatch(message);
  });
});
