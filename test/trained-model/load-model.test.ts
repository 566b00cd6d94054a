import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel, train, UserError, type InvalidRow, type Value, type Model, type Row } from '../../src/index.js';
import { refuseBadRows } from '../../src/data/rows/rejects.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { dataColumns } from '../../src/data/rows/row-format.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { listPredictedOutputs, combinePredictions } from '../../src/evaluation/outputs.js';
import { compileTrained, readTrainedModel } from '../../src/trained-model/trained-model.js';
import { servedWorld } from '../support/served.js';

const folder = mkdtempSync(join(tmpdir(), 'mtl-model-'));
const run = join(folder, 'run');
let model: Model;
let rows: Record<string, string>[];

/** Features of every type. */
const CONFIG = `
data: { train: train.csv, valid: valid.csv, test: test.csv }
features:
  user: { type: categorical, fields: [101, 121], width: 4 }
  item: { type: categorical, fields: [205], width: 4, encoding: { name: tokens } }
  shop: { type: categorical, fields: [207], width: 4, encoding: { name: hash, buckets: 50 } }
  met: { type: cross, fields: [[121, 206]], width: 4, buckets: 30 }
  much: { type: bucketized, fields: [D109_14], width: 4, quantiles: 5 }
  numbers: { type: numeric, fields: [D109_14, D508], scaling: standard }
  history: { type: bag, fields: [109_14], width: 4, pooling: mean, maxItems: 3 }
tasks:
  ctr: { label: click }
  cvr: { label: purchase, given: click }
model: { name: esmm, ctrTower: { hidden: [8] }, cvrTower: { hidden: [8] } }
training: { epochs: 1, batchSize: 64, ema: { decay: 0.9 } }
`;

beforeAll(async () => {
  ({ rows } = await servedWorld(folder, CONFIG));
  model = await loadModel(run);
});
afterAll(() => {
  model.dispose();
  rmSync(folder, { recursive: true, force: true });
});

/** Predictions by `predict` from the file. */
async function predictionsOfFile(path: string): Promise<Record<string, number[]>> {
  const trained = await readTrainedModel(run);
  const program = compileTrained(trained, createCpuEngine(1), () => undefined);
  const source = await openSource(path, dataColumns(trained.format));
  const dataset = await source.dataset(trained.format, { policy: refuseBadRows });
  const found: Record<string, number[]> = {};
  for await (const { batch } of dataset.batches(64)) {
    const predictions = await program.predict(batch);
    for (const output of listPredictedOutputs(trained.outputs))
      (found[output.name] ??= []).push(...combinePredictions(output, predictions, batch.rows));
  }
  program.dispose();
  return found;
}

const plain = (predictions: Readonly<Record<string, Float32Array>>): Record<string, number[]> =>
  Object.fromEntries(Object.entries(predictions).map(([name, values]) => [name, [...values]]));
const problemOf = (ask: () => unknown): string => {
  try {
    ask();
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
  throw new Error('nothing was thrown');
};
/** Parses the bag of a value as a list. */
const itemsOf = (cell: string): { id: string; weight: number }[] =>
  cell
    .split('|')
    .filter((item) => item !== '')
    .map((item) => ({ id: item.split(':')[0]!, weight: Number(item.split(':')[1] ?? 1) }));

describe('a loaded model', () => {
  it('predicts string rows bitwise identically to their file', async () => {
    expect(plain(model.predict(rows))).toEqual(await predictionsOfFile(join(folder, 'test.csv')));
  });

  it('accepts numbers and lists in place of strings', () => {
    const typed = rows.map((row): Row =>
      Object.fromEntries(
        Object.entries(row).map(([name, text]) => [name, name === '109_14' ? itemsOf(text) : Number(text)]),
      ),
    );
    expect(plain(model.predict(typed))).toEqual(plain(model.predict(rows)));
  });

  it('accepts columns as arrays or typed arrays', () => {
    const columns: Record<string, ArrayLike<Value>> = Object.fromEntries(
      model.inputs.map(({ name }) => [name, rows.map((row) => row[name]!)]),
    );
    columns['101'] = Int32Array.from(rows, (row) => Number(row['101']));
    expect(plain(model.predictColumns(columns))).toEqual(plain(model.predict(rows)));
  });

  it('predicts a row independently of the other rows', () => {
    const all = model.predict(rows);
    const many = Array.from({ length: 25 }, () => rows).flat();
    expect([...model.predict(many)['ctcvr']!.subarray(4800)]).toEqual([...all['ctcvr']!]);
    for (const i of [0, 7, 199]) expect(model.predict([rows[i]!])['cvr']![0]).toBe(all['cvr']![i]);
    expect(plain(model.predict([]))).toEqual({ ctr: [], cvr: [], ctcvr: [] });
  });

  it('lists its input columns and outputs', () => {
    expect(model.outputs).toEqual(['ctr', 'cvr', 'ctcvr']);
    expect(Object.fromEntries(model.inputs.map(({ name, holds }) => [name, holds]))).toEqual({
      '101': 'id',
      '121': 'id',
      '205': 'text',
      '207': 'text',
      '206': 'text',
      D109_14: 'number',
      D508: 'number',
      '109_14': 'bag',
    });
    expect(model.checkpoint).toBe(join(run, 'checkpoints', 'step-00000010'));
    expect(model.step).toBe(10);
  });

  it('treats null and undefined as missing, and accepts absent columns only with onMissing', () => {
    const { 205: item, ...without } = rows[0]!;
    expect(item).not.toBe('');
    const blank = plain(model.predict([{ ...rows[0]!, 205: '' }]));
    for (const row of [
      { ...without, 205: null },
      { ...without, 205: undefined },
    ])
      expect(plain(model.predict([row]))).toEqual(blank);
    expect(problemOf(() => model.predict([rows[0]!, without]))).toBe(
      'rows[1]: column "205": is missing; add it, as null if its value is missing, or set onMissing to oov',
    );
    expect(plain(model.predict([without], { onMissing: 'oov' }))).toEqual(blank);
    const told: InvalidRow[] = [];
    expect([...model.predict([without, rows[1]!], { onInvalidRow: (bad) => void told.push(bad) })['ctr']!]).toEqual([
      NaN,
      model.predict([rows[1]!])['ctr']![0],
    ]);
    expect(told).toMatchObject([{ row: 0, source: 'input', problems: [{ key: 'column "205"' }] }]);
  });

  it('names every missing column', () => {
    const columns = Object.fromEntries(model.inputs.map(({ name }) => [name, rows.map((row) => row[name]!)]));
    const { 101: user, 207: shop, ...rest } = columns;
    expect(problemOf(() => model.predictColumns({ ...rest, '101_': user! }))).toBe(
      `columns: column "101": is missing; found "101_"; did you mean '101'?\n` +
        'columns: column "207": is missing; add it, as null if its value is missing, or set onMissing to oov',
    );
    expect(plain(model.predictColumns({ ...rest, 101: user! }, { onMissing: 'oov' }))).toEqual(
      plain(model.predictColumns({ ...columns, 207: shop!.map(() => null) })),
    );
  });

  it.each([
    [
      'an id with letters',
      { 101: 'seven' },
      'rows[1]: column "101": expected an integer id in digits, found "seven"; correct the row, ' +
        'or set encoding: tokens if ids are strings',
    ],
    [
      'a fractional id',
      { 101: 1.5 },
      'rows[1]: column "101": expected an integer id in digits, found 1.5; ' +
        'correct the row, or skip it with onInvalidRow or ?onBadRow=skip',
    ],
    [
      'a missing id',
      { 101: null },
      'rows[1]: column "101": expected an integer id in digits, found null; add this column to the row',
    ],
    ['a NaN', { D508: NaN }, 'rows[1]: column "D508": expected a decimal number, found NaN'],
    ['an infinite number', { D508: Infinity }, 'rows[1]: column "D508": expected a decimal number, found Infinity'],
    ['a list for one value', { 205: [1, 2] }, 'rows[1]: column "205": expected one value, not a list, found [1,2]'],
    [
      'an object for one value',
      { 205: { id: 3 } },
      'rows[1]: column "205": expected a string or a number, found {"id":3}',
    ],
    ['a function', { 205: () => 3 }, 'rows[1]: column "205": expected a string or a number, found'],
    ['an item without an id', { '109_14': [{ weight: 3 }] }, 'rows[1]: column "109_14": expected'],
    [
      'an item with a string weight',
      { '109_14': [{ id: 3, weight: '1' }] },
      'rows[1]: column "109_14": expected a weight in the range of a 32-bit float for every item',
    ],
    [
      'a list in a cross',
      { 206: [3] },
      'rows[1]: columns "121", "206": expected one value, not a list, found ["16",[3]]',
    ],
  ])('names %s by row and column, with the fix', (_, change, message) => {
    expect(problemOf(() => model.predict([rows[0]!, { ...rows[1]!, ...(change as Row) }]))).toContain(message);
  });

  it('suggests similar columns that the model does not read', () => {
    const read = Object.fromEntries(model.inputs.map(({ name }) => [name, rows[0]![name]!]));
    const { D508, ...rest } = read;
    const fixes = {
      d508: `found "d508"; did you mean 'D508'?`,
      D508_total: `found "D508_total"; did you mean 'D508'?`,
      other: 'add it, as null if its value is missing, or set onMissing to oov',
    };
    for (const [name, fix] of Object.entries(fixes))
      expect(problemOf(() => model.predict([{ ...rest, [name]: D508! }]))).toBe(
        `rows[0]: column "D508": is missing; ${fix}`,
      );
    expect(problemOf(() => model.predict([{ ...rest, d508: D508! }], { onMissing: 'oov' }))).toBe(
      `rows[0]: column "D508": expected a decimal number, found nothing; found "d508"; did you mean 'D508'?`,
    );
    // 121 is similar to 101, but the model reads it itself; 102 is another column.
    const { 101: user, ...withoutUser } = read;
    expect(problemOf(() => model.predict([{ ...withoutUser, 102: user! }]))).toBe(
      'rows[0]: column "101": is missing; add it, as null if its value is missing, or set onMissing to oov',
    );
  });

  it('rejects rows that are not a list and columns of different lengths', () => {
    expect(problemOf(() => model.predict(rows[0] as unknown as Row[]))).toContain('pass a single row as [row]');
    expect(problemOf(() => model.predict([rows[0]!, 5 as unknown as Row]))).toContain(
      'rows[1]: expected an object with one value per column, found 5',
    );
    expect(problemOf(() => model.predictColumns({ 101: [1, 2], 121: [1] }))).toContain(
      'column "121": has 1 values, but column "101" has 2',
    );
  });

  it('passes invalid rows to onBadRow and predicts the others', () => {
    const bad: number[] = [];
    const found = model.predict([rows[0]!, { ...rows[1]!, 101: 'x', D508: 'y' }, rows[2]!], {
      onInvalidRow: ({ row, problems }) => bad.push(row, problems.length),
    });
    expect(bad).toEqual([1, 2]);
    expect([...found['ctcvr']!]).toEqual([
      model.predict([rows[0]!])['ctcvr']![0],
      NaN,
      model.predict([rows[2]!])['ctcvr']![0],
    ]);
  });

  it('reports predictions that are not finite', () => {
    const large = [rows[0]!, { ...rows[1]!, D508: 3e38 }, rows[2]!];
    const problem =
      'rows[1]: output "ctr", "cvr", "ctcvr": expected a finite prediction, found NaN; correct column "D508": ' +
      '3e+38 is too large';
    expect(problemOf(() => model.predict(large))).toBe(problem);
    const told: InvalidRow[] = [];
    const found = model.predict(large, { onInvalidRow: (bad) => void told.push(bad) });
    expect([...found['ctr']!]).toEqual([
      model.predict([rows[0]!])['ctr']![0],
      NaN,
      model.predict([rows[2]!])['ctr']![0],
    ]);
    expect(told).toEqual([
      {
        row: 1,
        source: 'prediction',
        problems: [
          {
            where: 'rows[1]',
            key: 'output "ctr", "cvr", "ctcvr"',
            message: 'expected a finite prediction, found NaN',
            fix: 'correct column "D508": 3e+38 is too large',
          },
        ],
      },
    ]);
  });

  it('names the first invalid rows and their number', () => {
    expect(problemOf(() => model.predict(rows.map((row) => ({ ...row, 101: 'x' }))))).toMatch(
      /^rows\[0\].*\nrows\[1\][^]*\nand 190 more invalid rows$/,
    );
  });

  it('predicts any row or reports its problem', () => {
    const anyCell = fc.oneof(
      fc.string(),
      fc.double(),
      fc.integer(),
      fc.bigInt(),
      fc.boolean(),
      fc.constant(null),
      fc.array(fc.oneof(fc.string(), fc.integer(), fc.record({ id: fc.string(), weight: fc.double() }), fc.anything())),
      fc.anything(),
    );
    const anyRow = fc.dictionary(
      fc.constantFrom(...model.inputs.map(({ name }) => name), '__proto__', 'click'),
      anyCell,
    );
    fc.assert(
      fc.property(fc.array(anyRow, { maxLength: 3 }), fc.nat(2), (changes, i) => {
        const asked = changes.map((change) => ({ ...rows[i], ...change })) as Row[];
        const bad = new Set<number>();
        const { ctcvr } = model.predict(asked, { onInvalidRow: ({ row }) => bad.add(row) });
        expect([...ctcvr!].map((value) => value >= 0 && value <= 1)).toEqual(asked.map((_, row) => !bad.has(row)));
        expect(model.predict([rows[0]!])['ctr']![0]).toBe(model.predict([rows[0]!, rows[1]!])['ctr']![0]);
      }),
      { numRuns: 300 },
    );
  });

  it('accepts nested objects and pairs as in JSON Lines, and rejects numbers that lost digits', async () => {
    const objects = Array.from({ length: 80 }, (_, i) => ({
      click: i % 2,
      user: { id: `1000000000000000000${i % 7}`, at: { city: ['a', 'b'][i % 2]! } },
      price: i % 5 === 0 ? null : i / 4,
      seen: Array.from({ length: i % 3 }, (_, j) => [`x${(i + j) % 4}`, 0.5 + j] as const),
    }));
    // Ids are written without quotes, with all their digits.
    const lines = objects.map((each) => `${JSON.stringify(each).replace(/"id":"(\d+)"/, '"id":$1')}\n`);
    writeFileSync(join(folder, 'rows.jsonl'), lines.join(''));
    const config = {
      data: { train: join(folder, 'rows.jsonl') },
      features: {
        texts: {
          type: 'categorical',
          fields: ['user.id', 'user.at.city'],
          encoding: 'tokens',
          fillMissing: 'token',
          width: 4,
        },
        seen: { type: 'bag', fields: ['seen'], encoding: 'tokens', width: 4 },
        price: { type: 'numeric', fields: ['price'], fillMissing: 'mean', nullValues: [-1] },
      },
      tasks: { ctr: { label: 'click' } },
      model: { name: 'shared-bottom' },
      training: { epochs: 2, batchSize: 16, optimizer: { embeddings: { learningRate: 0.1 } } },
    };
    await train(config, { runDir: join(folder, 'lines'), device: 'cpu', threads: 1 });
    const ofLines = await loadModel(join(folder, 'lines'));
    const { ctr } = ofLines.predict(objects);
    const flat = objects.map(({ user, price, seen }): Row => ({
      'user.id': BigInt(user.id),
      'user.at.city': user.at.city,
      price,
      seen: seen.map(([id, weight]) => ({ id, weight })),
    }));
    expect(ofLines.predict(flat)['ctr']).toEqual(ctr);
    expect(new Set(ctr).size).toBeGreaterThan(40);
    expect(ofLines.predict([{ ...objects[0]!, user: {} }], { onMissing: 'oov' })['ctr']![0]).not.toBe(ctr![0]);
    expect(() => ofLines.predict([{ ...objects[0]!, user: {} }])).toThrow(
      /rows\[0\]: column "user\.id": is missing;[^]*\nrows\[0\]: column "user\.at\.city": is missing/,
    );
    expect(() =>
      ofLines.predict([
        { ...objects[0]!, user: { id: null, at: null } },
        { ...objects[0]!, user: null },
      ]),
    ).not.toThrow();
    const parsed = JSON.parse(lines[1]!) as Row;
    expect(() => ofLines.predict([parsed])).toThrow(
      /rows\[0\]: column "user\.id": expected an integer of at most 9007199254740991, .*; write it as a quoted string/,
    );
    expect(() => ofLines.predict([{ ...flat[0], price: 1e20 }])).not.toThrow();
    ofLines.dispose();
  });

  it('can be loaded several times in a process, and fails once disposed', async () => {
    const models = await Promise.all(Array.from({ length: 4 }, () => loadModel(run)));
    const expected = plain(model.predict(rows));
    for (const each of models) expect(plain(each.predict(rows))).toEqual(expected);
    models[0]!.dispose();
    models[0]!.dispose();
    expect(problemOf(() => models[0]!.predict(rows))).toContain('the model is disposed; load it again');
    expect(plain(models[1]!.predict(rows))).toEqual(expected);
    for (const each of models) each.dispose();
  });

  it('leaves no thread and no open file', () => {
    const script = `
      import { readdirSync } from 'node:fs';
      import { loadModel } from ${JSON.stringify(join(import.meta.dirname, '..', '..', 'dist', 'index.js'))};
      const threads = () => readdirSync('/proc/self/task').length;
      const files = () => readdirSync('/proc/self/fd').length;
      const row = ${JSON.stringify(rows[0])};
      (await loadModel(${JSON.stringify(run)})).predict([row]);
      const before = [threads(), files()];
      for (let i = 0; i < 3; i++) (await loadModel(${JSON.stringify(run)})).predict([row]);
      console.log(JSON.stringify({ before, after: [threads(), files()] }));
    `;
    // The process also exits by itself without disposing the model.
    const found = JSON.parse(
      execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }),
    ) as { before: number[]; after: number[] };
    expect(found.after).toEqual(found.before);
  });
});
