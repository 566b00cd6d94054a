/** @module-tag long */
import { column } from '../../src/core/batch.js';
import fc from 'fast-check';
import { Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { rowsOfObjects } from '../../src/data/objects/given-rows.js';
import { ObjectReader } from '../../src/data/objects/object-reader.js';
import { encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { withLookups } from '../../src/data/sources/lookups.js';
import { OnnxGraph } from '../../src/export/onnx/onnx-graph.js';
import { rawValues } from '../../src/export/onnx/raw-values.js';
import { DEFINITIONS } from '../../src/features/expressions/functions.js';
import { parseExpression } from '../../src/features/expressions/parse.js';
import { resolveAs, type TypedExpression } from '../../src/features/expressions/resolve.js';
import type { EncodedField } from '../../src/features/feature.js';
import { encodedFields, featureTypes, createFields } from '../../src/features/feature-types.js';
import { openGraph } from '../support/onnx.js';
import { scratchFile } from '../support/scratch.js';

/** Number of missing results. */
const MISSING = -999;
type Row = Readonly<Record<string, string>>;

/** Fields of a group that reads numbers as they are. */
function fieldsOfGroup(group: object): readonly EncodedField[] {
  const encoding = { name: 'numeric', fillMissing: MISSING };
  return encodedFields(createFields([featureTypes.schema.parse({ encoding, ...group })]), {});
}

/** Opens the encoders of fields in ONNX Runtime; the result returns the numbers of rows. */
async function openEncoders(fields: readonly EncodedField[]): Promise<(rows: readonly Row[]) => Promise<number[][]>> {
  const columns = [...new Set(fields.flatMap((field) => field.columns))];
  const onnx = new OnnxGraph([...columns, ...fields.map(({ name }) => `${name}.value`)]);
  const values = rawValues(onnx, fields);
  for (const { name } of fields)
    onnx.output(values.numbers(name), { name: `${name}.value`, type: 'float', shape: ['batch'] });
  const session = await openGraph(onnx);
  return async (rows) => {
    const inputs = session.inputNames.map((name) => {
      const texts = rows.map((row) => row[name]!);
      return [name, new Tensor('string', texts, [rows.length])] as const;
    });
    const outputs = await session.run(Object.fromEntries(inputs));
    return rows.map((_, row) => fields.map(({ name }) => (outputs[`${name}.value`]!.data as Float32Array)[row]!));
  };
}

/** Encodes the rows as the model does; undefined for a row that it rejects. */
function encodeRows(fields: readonly EncodedField[], rows: readonly Row[]): readonly (readonly number[] | undefined)[] {
  return rows.map((row) => {
    const { batches, problems } = new ObjectReader(fields).read(rowsOfObjects([row]));
    const found = [...batches].map(({ batch }) => fields.map(({ name }) => column(batch, name, 'f32').data[0]!));
    return problems.list().length > 0 ? undefined : found[0];
  });
}

/** Expects the numbers of the model for rows that it accepts, and a failed run for each of the others. */
async function expectSame(
  fields: readonly EncodedField[],
  rows: readonly Row[],
  opened = openEncoders(fields),
): Promise<void> {
  const expected = encodeRows(fields, rows);
  const valid = rows.filter((_, row) => expected[row] !== undefined);
  const run = await opened;
  const found = await run(valid);
  for (const [row, numbers] of expected.filter((each) => each !== undefined).entries())
    for (const [f, number] of numbers.entries()) {
      const place = `${fields[f]!.name} of ${JSON.stringify(valid[row])}`;
      expect(Math.abs(found[row]![f]! - number), place).toBeLessThanOrEqual(1e-6 * Math.abs(number));
    }
  for (const row of rows.filter((each) => !valid.includes(each)))
    await expect(run([valid[0]!, row]), JSON.stringify(row)).rejects.toThrow('expected of');
}

describe('a match in ONNX', () => {
  const rows = [
    { category: 'a', seen: 'a:2|b:1|a:0.5|c:0.5' },
    { category: 'd', seen: 'a|b' },
    { category: 'a', seen: '' },
    { category: '', seen: 'a' },
    { category: '', seen: '' },
    { category: 'b', seen: 'a|b:0|c:0|b:0' },
    { category: 'a', seen: 'a:0' },
    { category: 'ü 漢', seen: 'b|ü 漢:0.1|x|y|z|v|w' },
    { category: '7', seen: '07|7|7:3e38' },
    { category: '?', seen: '? | ?:2|a' },
    { category: ' a', seen: '?|a: 3|?:5|a |b' },
    { category: 'a', seen: 'a:-1|a:3' },
    { category: 'a', seen: 'a||b' },
    { category: 'a', seen: 'a|' },
    { category: 'a', seen: 'b:x' },
    { category: 'a', seen: 'b:1e39' },
    { category: 'a', seen: ':2' },
  ];
  const outputs = ['present', 'count', 'weight', 'share', 'recency'];

  it.each([
    ['all outputs', { outputs }, 9],
    ['the newest item first', { outputs, newest: 'first' }, 9],
    ['no share, so that weights may be negative', { outputs: ['weight', 'count'] }, 10],
    ['null values', { outputs, nullValues: ['?', 7], trim: true }, 9],
  ])('has the numbers of the model, and rejects the same rows: %s', async (_, options, numValid) => {
    const fields = fieldsOfGroup({ type: 'match', fields: [{ candidate: 'category', history: 'seen' }], ...options });
    expect(encodeRows(fields, rows).filter((each) => each !== undefined).length).toBeGreaterThanOrEqual(numValid);
    await expectSame(fields, rows);
  });

  it('has the numbers of the model for any lists, of several separators', async () => {
    const fields = fieldsOfGroup({
      type: 'match',
      fields: [{ candidate: 'category', history: 'seen' }],
      outputs,
      separators: { items: ' ', weight: '=' },
      format: 'separated',
    });
    const opened = openEncoders(fields);
    const id = fc.constantFrom('a', 'b', 'c', '[d]', 'é');
    const item = fc.oneof(
      id,
      fc.tuple(id, fc.constantFrom('0', '1', '2.5', '.25')).map((pair) => pair.join('=')),
    );
    const row = fc.record({
      category: fc.constantFrom('', 'a', 'b', '[d]', 'z'),
      seen: fc.array(item, { maxLength: 40 }).map((items) => items.join(' ')),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 8 }), (given) => expectSame(fields, given, opened)),
      { numRuns: 40 },
    );
  });
});

/** Expressions with every function and operator. */
const EXPRESSIONS = [
  'a + b * 2',
  '(a - b) / a / b',
  '-a * -b',
  'log(a)',
  'log(a * 1e30 * 1e30)',
  'log1p(b)',
  'log1p(a / 1e9)',
  'log1p(b * 1e37) + log1p(abs(b) * 1e300)',
  'min(log1p(1e300 * abs(b) * 1e300), 5)',
  'sqrt(a)',
  'abs(a)',
  'a < b',
  'a <= b',
  'a > b',
  'a >= b',
  'a == b',
  'a != b',
  'a > 0 and b > 0',
  'a > 0 or b > 0',
  'a and b',
  'a or b',
  'not a',
  'not (a > b) or not b',
  'min(a, b, 3)',
  'max(a, b, -3)',
  'clip(a, b, 2)',
  'if(a, b, a)',
  'if(a > b, 1, b)',
  'missing(a)',
  'missing(a / b) + 10 * missing(c)',
  'coalesce(a, b, 7)',
  'coalesce(1, a)',
  "city == 'Berlin'",
  "city != 'Berlin'",
  "'' == city",
  'days(at, since)',
  'hours(since, at)',
  'seconds(at, since)',
  'size(tags)',
  'overlap(tags, liked)',
  'jaccard(tags, liked)',
  'size(liked) / size(tags)',
  'overlap(tags, tags)',
  'a * 1e300 * 1e300',
  '`205` + user.id',
];
const fieldsOfExpressions = (expressions: readonly string[], options: object = {}) =>
  fieldsOfGroup({
    type: 'expression',
    fields: expressions.map((expression, i) => ({ name: `x${i}`, expression })),
    ...options,
  });

const BASE: Row = {
  ...{ a: '6', b: '4', c: '', city: 'Berlin', at: '2026-11-02T12:00:00Z', since: '2026-11-01' },
  ...{ tags: 'p|q|r|p', liked: 'q|r|s', 205: '3', 'user.id': '9' },
};

describe('an expression in ONNX', () => {
  it('is tested with every function', () => {
    const names = EXPRESSIONS.flatMap((text) => {
      const list = (part: TypedExpression): readonly string[] =>
        part.kind === 'call' ? [part.name, ...part.args.flatMap(list)] : [];
      return list(resolveAs('number', parseExpression(text)));
    });
    expect([...new Set(names)].sort()).toEqual(Object.keys(DEFINITIONS).sort());
  });

  it('has the numbers of the model for all operators, missing and extreme values', async () => {
    const numbers = ['', '0', '-0', '1', '-1', '6', '-2.5', '1e-9', '3e38', '-3e38', '+7', '.5'];
    const rows = numbers.flatMap((a) => numbers.map((b) => ({ ...BASE, a, b })));
    await expectSame(fieldsOfExpressions(EXPRESSIONS), rows);
  });

  it('has the numbers of the model for any numbers and nested operators with exact results', async () => {
    const { expression } = fc.letrec<{ expression: string }>((tie) => {
      const one = tie('expression');
      return {
        expression: fc.oneof(
          { depthSize: 'small', withCrossShrink: true },
          fc.constantFrom('a', 'b', '0', '2', '0.5'),
          fc
            .tuple(one, fc.constantFrom('+', '-', '*', '/', '<', '<=', '>', '>=', '==', '!=', 'and', 'or'), one)
            .map(([left, sign, right]) => `(${left} ${sign} ${right})`),
          fc.tuple(fc.constantFrom('sqrt', 'abs', 'missing', 'not ', '-'), one).map((of) => `${of[0]}(${of[1]})`),
          fc.tuple(fc.constantFrom('min', 'max', 'coalesce'), one, one).map(([name, x, y]) => `${name}(${x}, ${y})`),
          fc.tuple(fc.constantFrom('if', 'clip'), one, one, one).map(([name, x, y, z]) => `${name}(${x}, ${y}, ${z})`),
        ),
      };
    });
    const number = fc.oneof(
      fc.constantFrom('', '0', '1', '-1', '2'),
      fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((x) => x.toFixed(9)),
    );
    const row = fc.record({ a: number, b: number });
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          expression.map((text) => `a * 0 + ${text}`),
          { minLength: 1, maxLength: 8 },
        ),
        fc.array(row, { minLength: 1, maxLength: 8 }),
        (expressions, rows) => expectSame(fieldsOfExpressions(expressions), rows),
      ),
      { numRuns: 30 },
    );
  });

  it('reads the dates of the model, and rejects others', async () => {
    const dates = [
      ...['', '2026-11-01', '2024-02-29', '2023-02-29', '1900-02-29', '0100-01-01', '0099-12-31', '9999-12-31'],
      ...['2026-11-30T18:05', '2026-11-30 18:05:07', '2026-11-30T18:05:07.25Z', '2026-11-30T18:05:07,123456789'],
      ...['2026-11-30T18:05+01:00', '2026-11-30T18:05-0530', '2026-11-30 00:05:01.5+14', '2026-01-01T00:00-00:30'],
      ...['2026-11-30T24:00', '2026-11-30T18', '2026-11-30T18:05:60', '2026-11-31', '2026-13-01', 'x', '1764525900'],
      ...['2026-11-30T18:05+24:00', '2026-11-30T18:05 Z', '20261130', '2026-11-30T18:05:07.1234567890', '-026-11-30'],
    ];
    const fields = fieldsOfExpressions(['seconds(at, since)', 'days(since, at)']);
    const rows = dates.map((at) => ({ at, since: '2026-03-01T05:00:00.75-07:00' }));
    expect(encodeRows(fields, rows).filter((each) => each === undefined)).toHaveLength(15);
    await expectSame(fields, rows);
  });

  it('reads the lists of the model, and rejects others', async () => {
    const lists = [
      ...['', 'p', 'p|p|p', 'q|r|s', 'r:0.5|p:2', 'ü|漢|ü', 'a|b|c|d|e|f|g|h|i|j|q|a', 'p:-1'],
      ...['p||q', '|', 'p:x', 'p:1e39', ':1'],
    ];
    const rows = lists.flatMap((tags) => lists.map((liked) => ({ tags, liked })));
    const fields = fieldsOfExpressions(['size(tags)', 'overlap(tags, liked)', 'jaccard(tags, liked)']);
    expect(encodeRows(fields, rows).filter((each) => each !== undefined)).toHaveLength(64);
    await expectSame(
      fields,
      rows.filter(({ liked }, i) => liked.length < 5 || i % 3 === 0),
    );
  });

  it('ignores null values, trims, and rejects strings in place of numbers', async () => {
    const options = { nullValues: ['?', -1], trim: true, separators: { items: ';', weight: '=' } };
    const fields = fieldsOfExpressions(
      ['coalesce(a, 5) + 10 * missing(b)', "city == 'Bonn'", 'size(tags)', 'days(at, at)'],
      options,
    );
    const rows = [
      { a: ' 2 ', b: '?', city: ' Bonn', tags: 'x; ?;x=2 ;y', at: ' 2026-11-01' },
      { a: '-1.0', b: '-1', city: '?', tags: ' ? ', at: '?' },
      { a: '?', b: '0', city: '-1', tags: '-1;a', at: '' },
      { a: 'x', b: '0', city: '', tags: '', at: '' },
      { a: '0x1', b: '0', city: '', tags: '', at: '' },
    ];
    expect(encodeRows(fields, rows).filter((each) => each !== undefined)).toHaveLength(3);
    await expectSame(fields, rows);
  });
});

const ITEMS =
  'id,price,brand,born,tags\n' +
  '7,2.5,Acme,2026-11-01,a|b:2\n' +
  'x y,,Öl & Co,,\n' +
  '07,-1,acme,2026-11-03T12:00+01:00,b|c|d|b\n' +
  '8,?, Acme ,?,? \n';

describe('a lookup in ONNX', () => {
  const EXPRESSIONS_OF_ITEMS = [
    'lookup(items.price, item)',
    'lookup(items.price, item) * 2 + lookup(items.price, other)',
    "coalesce(lookup(items.price, '07'), 3) + size(tags)",
    "lookup(items.brand, item) == 'Acme'",
    "lookup(items.brand, other) != 'Öl & Co'",
    'hours(at, lookup(items.born, item))',
    'size(lookup(items.tags, item))',
    'overlap(lookup(items.tags, item), tags)',
    "jaccard(lookup(items.tags, other), lookup(items.tags, '7'))",
    'lookup(brands.share, lookup(items.brand, item))',
  ];
  const keys = ['7', '07', 'x y', '8', '', 'absent', '?', ' 7'];
  const rows = keys.flatMap((item) =>
    keys.map((other) => ({ item, other, at: '2026-11-02', tags: 'b|d', price: item === '7' ? '1' : '' })),
  );

  it.each([
    ['as they are', {}, ITEMS.replaceAll('?', '')],
    ['cleaned', { nullValues: ['?'], trim: true }, ITEMS],
  ])('has the values of the model: %s', async (_, cells, content) => {
    const lookups = {
      items: { file: scratchFile('items.csv', content), key: 'id' },
      brands: { file: scratchFile('brands.csv', 'name,share\nAcme,0.25\nacme,4\n'), key: 'name' },
    };
    const groups = [
      featureTypes.schema.parse({
        type: 'expression',
        encoding: { name: 'numeric', fillMissing: MISSING },
        fields: EXPRESSIONS_OF_ITEMS.map((expression, i) => ({ name: `x${i}`, expression })),
      }),
    ];
    const format = await withLookups(createRowFormat({ tasks: [], groups, cells }), lookups);
    const { fields } = encodedFormat(format, {});
    expect(new Set(encodeRows(fields, rows).map(String)).size).toBeGreaterThan(10);
    await expectSame(fields, rows);
  });

  it('reads JSON lists of a side file', async () => {
    const content = '{"id":"7","tags":["a","b|c","a"]}\n{"id":"8","tags":[]}\n';
    const open = async (file: string) => {
      const group = {
        type: 'expression',
        encoding: { name: 'numeric' },
        fields: [{ name: 'x', expression: 'size(lookup(items.tags, item))' }],
      };
      const format = createRowFormat({ tasks: [], groups: [featureTypes.schema.parse(group)] });
      const lookups = { items: { file: scratchFile('items.jsonl', file), key: 'id' } };
      return encodedFormat(await withLookups(format, lookups), {}).fields;
    };
    const run = await openEncoders(await open(content));
    expect(await run([{ item: '7' }, { item: '8' }, { item: '9' }])).toEqual([[2], [0], [0]]);
    const fields = await open(content.replace('b|c', 'b\\u001fc'));
    expect(() => rawValues(new OnnxGraph([]), fields)).toThrow(
      "field 'x': reads lists of items.tags with the control character U+001F",
    );
  });
});

describe('a computed field that ONNX cannot express', () => {
  it('is reported with the reason and a fix', () => {
    const pair = { candidate: 'category', history: 'seen' };
    const fields = fieldsOfGroup({ type: 'match', fields: [pair], format: 'json' });
    expect(() => rawValues(new OnnxGraph([]), fields)).toThrow(
      /field 'category_in_seen_present[^']*': reads JSON lists of column "seen", for which ONNX has no parser; remove --with-encoders.*format: separated/,
    );
    const groups = [
      { type: 'vector', fields: ['look'], length: 3 },
      { type: 'expression', fields: [{ name: 'n', expression: 'size(look)' }], encoding: { name: 'numeric' } },
    ];
    const mixed = encodedFields(createFields(groups.map((group) => featureTypes.schema.parse(group))), {});
    expect(() => rawValues(new OnnxGraph([]), mixed)).toThrow(
      /field 'n[^']*': reads column "look", whose input in the model is a vector/,
    );
  });
});
