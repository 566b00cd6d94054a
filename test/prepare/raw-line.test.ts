import { describe, expect, it } from 'vitest';
import { createFeatureColumns } from '../../src/prepare/feature-columns.js';
import { fieldPlans } from '../../src/prepare/fields.js';
import { BadLine, createLineReader } from '../../src/prepare/raw-line.js';

const fields = fieldPlans({ rest: 3, byField: {} }, { rest: 1, byField: {} });

/** `205:7:1.0 210:3:0.5` as the raw format has it. */
const features = (text: string): string => text.split(' ').map((feature) => feature.replace(':', '\x02').replace(':', '\x03')).join('\x01');

function read(line: string) {
  const columns = createFeatureColumns(fields);
  const reader = createLineReader(fields.map(({ name }) => name));
  const bytes = Buffer.from(line, 'latin1');
  columns.beginRow();
  reader.features(bytes, columns);
  columns.endRow();
  expect(reader.at).toBe(bytes.length);
  return { cells: Object.fromEntries([...columns.columns()].map(([name, data]) => [name, [...data]])), cuts: columns.cuts };
}

describe('a line of raw features', () => {
  it('becomes ids and weights by field', () => {
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
  ])('keeps the id %s exactly', (text, id) => {
    expect(read(`1,${features(`205:${text}:1`)}\n`).cells['205']).toEqual([id]);
  });

  it.each(['1', '1.', '1.0', '0.5', '.5', '0.69315', '123456.789', '0.123456789', '0.1234567890123', '12345678901234567890', '1e-3', '2.5E+2', '0'])('keeps the weight %s as a float', (text) => {
    expect(read(`1,${features(`210:1:${text}`)}\n`).cells['210.weights']).toEqual([Math.fround(Number(text))]);
  });

  it('may end with a carriage return, and may have no features', () => {
    expect(read(`1,${features('205:7:1.0')}\r\n`).cells).toEqual({ '205': [7] });
    expect(read('0,\n').cells).toEqual({});
    expect(read('0,\r\n').cells).toEqual({});
  });

  it('keeps the heaviest values, of equal ones the smaller ids, and counts the rest', () => {
    const { cells, cuts } = read(`8,${features('210:5:1 210:9:3 210:1:2 210:2:1 206:8:1.0 206:4:1.0 206:6:2 206:7:0.5')}\n`);
    expect(cells).toEqual({ '206': [6], '210.offsets': [0, 3], '210.ids': [9, 1, 2], '210.weights': [3, 2, 1] });
    expect(cuts).toEqual({ '206': { rows: 1, values: 3 }, '210': { rows: 1, values: 1 } });
  });

  it.each([
    ['letters for an id', `1,${features('205:7x:1.0')}`, /an id: a whole number in digits, found 7x/],
    ['a negative id', `1,${features('205:-7:1.0')}`, /an id: a whole number in digits, found -7/],
    ['no id', `1,${features('205::1.0')}`, /an id: a whole number in digits/],
    ['an id beyond what is exact', `1,${features('205:9007199254740991:1')}`, /an id below 2\^53 - 1, found 9007199254740991/],
    ['letters for a weight', `1,${features('205:7:heavy')}`, /a weight: a decimal number of at least 0, found heavy/],
    ['a negative weight', `1,${features('210:7:-1')}`, /a weight: .*, found -1/],
    ['no weight', `1,${features('210:7:')}`, /a weight: .*, found the end of the line/],
    ['a weight without end', `1,${features('210:7:1e999')}`, /a weight: .*, found 1e999/],
    ['a field that there is not', `1,${features('999:7:1.0')}`, /one of the fields 101, .*, found 999/],
    ['a field whose name is longer', `1,${features('205205205205:7:1.0')}`, /one of the fields .*, found 205205205205/],
    ['a field with letters', `1,${features('D508:7:1.0')}`, /one of the fields .*, found D508/],
    ['an empty field', `1,${features(':7:1.0')}`, /one of the fields/],
    ['wrong separators', '1,205:7:1.0', /one of the fields .*, found 205:7:1\.0/],
    ['a line that ends within a feature', '1,205\x027', /an id: a whole number in digits, found 7/],
    ['a line that ends within a field', '1,20', /features: field/],
    ['a feature too many', `1,${features('205:7:1.0 206:7:1.0')}`, /1 features as the line tells, found 2/],
    ['a feature too few', `3,${features('205:7:1.0 206:7:1.0')}`, /3 features as the line tells, found 2/],
    ['no number of features', `x,${features('205:7:1.0')}`, /the number of features and a comma, found x/],
    ['a separator at the end', `1,${features('205:7:1.0')}\x01`, /features: field/],
  ])('%s: is told', (_, line, message) => {
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
