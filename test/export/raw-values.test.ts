/** @module-tag long */
import fc from 'fast-check';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import type { CellOptions } from '../../src/features/cells.js';
import { cleanFit } from '../../src/features/clean-field.js';
import { BadValue, CELL_SEPARATOR, type EncodedField } from '../../src/features/feature.js';
import { encodedFields, featureTypes, createFields } from '../../src/features/feature-types.js';
import { encodeModel } from '../../src/export/onnx/messages.js';
import { OnnxGraph } from '../../src/export/onnx/onnx-graph.js';
import { rawValues } from '../../src/export/onnx/raw-values.js';
import { openGraph } from '../support/onnx.js';
import { readBags } from '../support/read-cells.js';

/** Fits the first field of a group on values. */
function fieldOf(spec: object, cells: readonly string[]): EncodedField {
  const [field] = createFields([featureTypes.schema.parse({ fields: ['f'], ...spec })]);
  const ownFit = field!.startFit?.();
  const fit = ownFit && cleanFit(ownFit, field!);
  for (const cell of cells) {
    fit?.check(cell);
    fit?.observe(cell);
  }
  return encodedFields([field!], { [field!.name]: fit?.finish() })[0]!;
}

type Run = (
  cells: readonly (readonly string[])[],
) => Promise<{ readonly values: readonly number[]; readonly weights?: readonly number[] }>;

/** Runs ONNX Runtime on rows of values of one field. */
async function openField(field: EncodedField): Promise<Run> {
  const onnx = new OnnxGraph([...field.columns, 'values', 'weights']);
  const values = rawValues(onnx, [field]);
  if (field.kind === 'bag') {
    const { ids, inputs } = values.bag(field.name);
    onnx.output(ids, { name: 'values', type: 'int64', shape: ['batch', 'longest'] });
    onnx.output(inputs.weights, { name: 'weights', type: 'float', shape: ['batch', 'longest'] });
  } else if (field.kind === 'id')
    onnx.output(values.ids(field.name), { name: 'values', type: 'int64', shape: ['batch'] });
  else onnx.output(values.numbers(field.name), { name: 'values', type: 'float', shape: ['batch'] });
  const session = await openGraph(onnx);
  return async (rows) => {
    const feeds = Object.fromEntries(
      field.columns.map((column, c) => [
        column,
        new Tensor(
          'string',
          rows.map((cells) => cells[c]!),
          [rows.length],
        ),
      ]),
    );
    const outputs = await session.run(feeds);
    const numbers = (name: string): number[] => Array.from(outputs[name]!.data as BigInt64Array | Float32Array, Number);
    return { values: numbers('values'), ...(field.kind === 'bag' && { weights: numbers('weights') }) };
  };
}

/** Encodes a value; undefined if the field rejects it. */
function encoded(field: EncodedField, cell: string): number | undefined {
  try {
    const value = field.encode(cell);
    return field.kind === 'number' ? Math.fround(value) : value;
  } catch (error) {
    if (error instanceof BadValue) return undefined;
    throw error;
  }
}

const NUMBERS = [
  '0',
  '1',
  '-2.5',
  '+7',
  '.5',
  '5.',
  '1e3',
  '1E-3',
  '0.1',
  '123456.789',
  '2.0000001',
  '1999.9999999999998',
  '-0.999999',
  '1e-9',
  '3e38',
  '1e39',
  '1e400',
  '-1',
  '-3',
  '1e',
  'nan',
  'inf',
  '0x10',
  '1,5',
  ' 1',
  '1 ',
  'x',
];
const IDS = [
  '0',
  '1',
  '007',
  '4',
  '5',
  '99',
  '2147483647',
  '2147483648',
  '99999999999',
  '000000000000000000000003',
  '-1',
  '+1',
  '1.0',
  '1e2',
  'a',
  ' 1',
];
const TEXTS = ['a', 'b', 'ü 漢', 'never', ' a', 'A', '0', CELL_SEPARATOR, '\n'];

const DATES = [
  '1970-01-01',
  '2026-11-30',
  '2024-02-29',
  '2023-02-29',
  '2000-02-29',
  '1900-02-29',
  '0001-01-01',
  '0000-03-01',
  '9999-12-31',
  '2026-11-30T18:05:00',
  '2026-11-30 23:59',
  '2026-11-30T00',
  '2026-11-30T23:30:60.5Z',
  '2026-12-31T23:59:59,9Z',
  '2026-03-01T05Z',
  '2026-13-01',
  '2026-11-31',
  '2026-11-30T24:00',
  'x',
  '1764525900',
];
const COUNTS = [
  '0',
  '1764525900',
  '-1',
  '-86400.5',
  '1764525900.75',
  '951782400',
  '-62135596800',
  '1764525900000',
  '1e11',
  'x',
  '12345678901',
];

const FIELDS: readonly (readonly [string, object, readonly string[], readonly string[]])[] = [
  ['ids of the training set', { type: 'categorical' }, ['4'], IDS],
  ['ids of a given size', { type: 'categorical', encoding: { name: 'ids', sizes: { f: 5 } } }, [], IDS],
  ['ids that may be missing', { type: 'categorical', fillMissing: 'unknown' }, ['4'], IDS],
  ['ids with a row for missing values', { type: 'categorical', fillMissing: 'token' }, ['4'], IDS],
  ['tokens', { type: 'categorical', encoding: 'tokens' }, ['a', 'b', 'ü 漢', 'a'], TEXTS],
  ['no tokens at all', { type: 'categorical', encoding: { name: 'tokens', minCount: 9 } }, ['a'], TEXTS],
  [
    'tokens with a row for missing values',
    { type: 'categorical', encoding: 'tokens', fillMissing: 'token' },
    ['a', '', '', 'b'],
    TEXTS,
  ],
  [
    'tokens that reject missing values',
    { type: 'categorical', encoding: 'tokens', fillMissing: 'error' },
    ['a'],
    TEXTS,
  ],
  ['buckets', { type: 'bucketized', boundaries: [-2.5, 0.1, 2, 2000, 1e9] }, [], NUMBERS],
  ['one boundary', { type: 'bucketized', boundaries: [1] }, [], NUMBERS],
  [
    'quantiles with a row for missing values',
    { type: 'bucketized', quantiles: 4, fillMissing: 'token' },
    ['1', '2', '3', '4', '5', '6', '7', '8'],
    NUMBERS,
  ],
  ...['UTC', '+05:30', '-11:00'].flatMap((timeZone) => [
    ...['hour', 'weekday', 'day', 'month'].map(
      (part) => [`the ${part} of dates in ${timeZone}`, { type: 'date', parts: [part], timeZone }, [], DATES] as const,
    ),
    ...['hour', 'weekday', 'day', 'month'].map(
      (part) =>
        [
          `the ${part} of seconds in ${timeZone}`,
          { type: 'date', parts: [part], format: 'seconds', timeZone },
          [],
          COUNTS,
        ] as const,
    ),
  ]),
  ['the month of milliseconds', { type: 'date', parts: ['month'], format: 'milliseconds' }, [], COUNTS],
  ['numbers', { type: 'numeric' }, [], NUMBERS],
  ['standardized numbers', { type: 'numeric', scaling: 'standard' }, ['1', '2', '4.5'], NUMBERS],
  ['logarithms', { type: 'numeric', scaling: 'log1p' }, [], NUMBERS],
  [
    'several scalings',
    { type: 'numeric', scaling: ['log1p', 'min-max'], fillMissing: 'median' },
    ['1', '2', '40', ''],
    NUMBERS,
  ],
  ['numbers with missing values as the mean', { type: 'numeric', fillMissing: 'mean' }, ['1', '2'], NUMBERS],
  ['ids detected by auto', { type: 'categorical', encoding: 'auto' }, ['1', '2', '4'], IDS],
  [
    'strings and numbers as null values',
    { type: 'categorical', encoding: 'tokens', fillMissing: 'token', nullValues: ['?', 'NA', 0] },
    ['a', '?', '0.0', 'b'],
    [...TEXTS, '?', 'NA', ' NA', '0', '-0.0', '0e9', '00', '1', '.', '0x0', '0 ', '0b0', '-0x0'],
  ],
  [
    'numbers as null values',
    { type: 'numeric', fillMissing: 'mean', nullValues: [-1, 7, 'x'], scaling: 'min-max' },
    ['1', '101', '-1', '7.0'],
    [...NUMBERS, '-1.0', '7'],
  ],
  [
    'trimmed values',
    { type: 'categorical', encoding: 'tokens', trim: true, nullValues: ['?'] },
    [' a', 'b  c', '? '],
    [...TEXTS, 'b  c', ' b  c', '  a  ', '   ', '\ta', 'a\u00a0', ' ?', 'b c', '?', '\u3000'],
  ],
  [
    'trimmed numbers',
    { type: 'numeric', trim: true, nullValues: [-1], fillMissing: 'zero' },
    [],
    [...NUMBERS, '  7  ', ' -1 ', '1 2'],
  ],
  ['trimmed ids', { type: 'categorical', trim: true, fillMissing: 'unknown' }, ['4'], [...IDS, ' 4 ', '    ', '4 4']],
];

/** Values that a field encodes but ONNX has no operators for: other whitespace to trim. */
function isBeyondOnnx({ trim = false }: CellOptions, cell: string): boolean {
  return trim && cell !== cell.trim() && !/^ *[^ \s]* *$/.test(cell);
}

describe('raw values in ONNX', () => {
  it.each(FIELDS)('are encoded or rejected like by the field: %s', async (_, spec, fittedOn, cells) => {
    const field = fieldOf(spec, fittedOn);
    const run = await openField(field);
    const all = ['', ...cells];
    const known = all.filter((cell) => encoded(field, cell) !== undefined && !isBeyondOnnx(spec, cell));
    expect(known.length).toBeGreaterThan(2);
    const { values } = await run(known.map((cell) => [cell]));
    for (const [i, cell] of known.entries()) {
      const expected = encoded(field, cell)!;
      expect(Math.abs(values[i]! - expected), cell).toBeLessThanOrEqual(
        field.kind === 'id' ? 0 : 1e-6 * Math.abs(expected),
      );
    }
    for (const cell of all)
      if (!known.includes(cell)) await expect(run([[known[0]!], [cell]]), cell).rejects.toThrow(/expected of f|stod/);
  });

  it('set a missing indicator', async () => {
    const field = encodedFields(
      createFields([
        featureTypes.schema.parse({ type: 'numeric', fields: ['f'], fillMissing: 'zero', indicator: true }),
      ]),
      {},
    )[1]!;
    const run = await openField(field);
    expect((await run([['1.5'], ['']])).values).toEqual([0, 1]);
    await expect(run([['x']])).rejects.toThrow('expected of f_missing: a decimal number');
  });

  it('are combined in a cross; a missing value gives the out-of-vocabulary id', async () => {
    const [field] = createFields([
      featureTypes.schema.parse({ type: 'cross', fields: [['a', 'b', 'c']], encoding: 'tokens' }),
    ]);
    const fit = field!.startFit!();
    for (const cells of [
      ['x', 'y', 'z'],
      ['x', 'yz', '1'],
    ])
      fit.observe(cells.join(CELL_SEPARATOR));
    const run = await openField(encodedFields([field!], { [field!.name]: fit.finish() })[0]!);
    expect(
      (
        await run([
          ['x', 'yz', '1'],
          ['x', 'y', 'z'],
          ['xy', '', 'z'],
          ['', 'y', 'z'],
          ['x', 'y', 'w'],
        ])
      ).values,
    ).toEqual([2, 1, 0, 0, 0]);
    await expect(run([['x', `y${CELL_SEPARATOR}`, 'z']])).rejects.toThrow(
      'expected of a_X_b_X_c: values without the control character',
    );
  });

  describe.each([
    ['of ids', { encoding: 'ids' }],
    ['of tokens with maxItems', { encoding: 'tokens', maxItems: 2, pooling: 'sum' }],
    [
      'with null values',
      { encoding: 'tokens', nullValues: ['x', 8], maxItems: 2, pooling: 'sum', format: 'separated' },
    ],
    ['with other separators', { encoding: 'tokens', separators: { items: ';', weight: '=' } }],
  ])('as bags %s', (_, spec) => {
    const { items, weight } = { items: '|', weight: ':', ...('separators' in spec ? spec.separators : {}) };
    const field = fieldOf({ type: 'bag', ...spec }, ['1', '3', '7']) as EncodedField & { kind: 'bag' };
    const kept = (cell: string): (readonly [number, number])[] | undefined => {
      try {
        return readBags(field, [cell])[0]!.sort();
      } catch (error) {
        if (error instanceof BadValue) return undefined;
        throw error;
      }
    };

    it('have the items of the field or are rejected', async () => {
      const run = await openField(field);
      const id = fc.constantFrom('1', '3', '7', '8', '1', '3', '', 'x');
      const number = fc.constantFrom('1', '2', '0.5', '1e-2', '0', '-1', '+3', '', 'x', '1e39');
      const item = fc.oneof(
        { weight: 5, arbitrary: id },
        { weight: 5, arbitrary: fc.tuple(id, number).map(([a, b]) => a + weight + b) },
      );
      const cell = fc.array(item, { maxLength: 5 }).map((all) => all.join(items));
      let [numKept, numRefused] = [0, 0];
      await fc.assert(
        fc.asyncProperty(fc.array(cell, { minLength: 1, maxLength: 4 }), async (cells) => {
          const expected = cells.map(kept);
          if (expected.includes(undefined)) {
            numRefused++;
            await expect(run(cells.map((each) => [each]))).rejects.toThrow(/expected of f/);
            return;
          }
          numKept++;
          const { values, weights } = await run(cells.map((each) => [each]));
          const longest = values.length / cells.length;
          const found = cells.map((_, row) =>
            values
              .slice(row * longest, (row + 1) * longest)
              .map((value, i) => [value, weights![row * longest + i]!] as const)
              .filter(([, w]) => w !== 0)
              .sort(),
          );
          expect(found).toEqual(expected.map((each) => each!.filter(([, w]) => w !== 0)));
        }),
        { numRuns: 200, seed: 5 },
      );
      expect([numKept > 20, numRefused > 20]).toEqual([true, true]);
    });
  });

  it.each<[string, object, readonly (readonly number[])[]]>([
    [
      'unscaled',
      { length: 3 },
      [
        [1, 2, 3],
        [0, -0.5, 1e30],
      ],
    ],
    [
      'scaled, with fillMissing',
      { scaling: ['log1p', 'standard'], fillMissing: 'mean', indicator: true },
      [[1, 2, 3], [4, 0.5, 0], []],
    ],
    ['with zeros for missing values', { scaling: 'min-max', fillMissing: 'zero' }, [[1, 2, 3], [4, 0.5, 0], []]],
  ])('are a vector: %s', async (_, spec, rows) => {
    const [field] = createFields([featureTypes.schema.parse({ type: 'vector', fields: ['f'], ...spec })]);
    const fit = field!.startFit?.();
    for (const row of rows) fit?.vector!.observe(row);
    const [ready] = encodedFields([field!], { f: fit?.finish() });
    const {
      encode,
      rule: { length },
    } = ready!.vector!;
    const onnx = new OnnxGraph(['f', 'values']);
    onnx.output(rawValues(onnx, [ready!]).vectors('f', ready!.width), {
      name: 'values',
      type: 'float',
      shape: ['batch', ready!.width],
    });
    const message = {
      producerVersion: '0',
      irVersion: 9,
      opsets: { '': 20, 'ai.onnx.ml': 3 },
      metadata: {},
      graph: { name: 'field', nodes: onnx.nodes, inputs: onnx.inputs, outputs: onnx.outputs },
    };
    const session = await InferenceSession.create(
      Buffer.concat([...encodeModel(message, onnx.initializers).pieces()]),
      { logSeverityLevel: 4 },
    );
    const run = async (given: readonly (readonly number[])[]): Promise<number[]> => [
      ...((await session.run({ f: new Tensor('float32', Float32Array.from(given.flat()), [given.length, length]) }))[
        'values'
      ]!.data as Float32Array),
    ];
    const asked = [...rows, [7, 8, 9]];
    const expected = new Float32Array(asked.length * ready!.width);
    for (const [r, row] of asked.entries()) encode(row, expected, r * ready!.width);
    const found = await run(asked.map((row) => (row.length === 0 ? Array<number>(length).fill(NaN) : row)));
    expect(found).toHaveLength(expected.length);
    for (const [i, value] of found.entries())
      expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(1e-6 * Math.abs(expected[i]!));
    for (const bad of [
      [NaN, 1, 2],
      [Infinity, 1, 2],
    ])
      await expect(run([bad])).rejects.toThrow('expected of f: a number in every element');
  });

  it('reject JSON lists for a bag of automatic format, and accept them as strings for separated items', async () => {
    await expect((await openField(fieldOf({ type: 'bag', encoding: 'tokens' }, ['a'])))([['["a"]']])).rejects.toThrow(
      'expected of f: an id in every item',
    );
    const { values } = await (
      await openField(fieldOf({ type: 'bag', encoding: 'tokens', format: 'separated' }, ['[a]']))
    )([['[a]']]);
    expect(values).toEqual([1, 0]);
    expect(() => rawValues(new OnnxGraph([]), [fieldOf({ type: 'bag', format: 'json' }, ['1'])])).toThrow(
      "field 'f': contains JSON lists",
    );
  });

  it('are not supported for a time zone with daylight saving time', () => {
    const fields = encodedFields(
      createFields([
        featureTypes.schema.parse({ type: 'date', fields: ['f'], parts: ['hour'], timeZone: 'Europe/Berlin' }),
      ]),
      {},
    );
    expect(() => rawValues(new OnnxGraph([]), fields)).toThrow(
      /field 'f_hour': uses the time zone Europe\/Berlin with daylight saving time.*fixed timeZone such as \+01:00/,
    );
  });

  it('are not supported for hashed fields, and all of them are reported', () => {
    const fields = createFields([
      featureTypes.schema.parse({ type: 'categorical', fields: ['a', 'b'], encoding: { name: 'hash', buckets: 5 } }),
    ]);
    expect(() => rawValues(new OnnxGraph([]), encodedFields(fields, {}))).toThrow(
      /field 'a': is hashed with MurmurHash3, for which ONNX has no operator; remove --with-encoders[^]*field 'b'/,
    );
  });
});
