/** @module-tag long */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { explain, type ExplainOptions } from '../../src/explain.js';
import { loadModel, type ExplainedSequence, type Model, type Row } from '../../src/index.js';
import { readCheckpoint } from '../../src/runs/checkpoint.js';
import { logRows, trainLog, type LogRow } from '../support/click-log.js';
import { mtl } from '../support/mtl.js';
import { smallWorld, trainSmall } from '../support/small-run.js';

let [folder, run] = ['', ''];
let model: Model;
const rows = logRows('test', 90);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mtl-explain-'));
  run = await trainLog(folder);
  model = await loadModel(run);
});
afterAll(() => {
  model.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const explainRow = (options: Partial<ExplainOptions>) =>
  explain({ path: run, row: 1, onWarning: () => undefined, signal: new AbortController().signal, ...options });

/** Returns the lists of a row: values by column and item. */
const listOf = (row: LogRow, name: string): readonly string[] => (row[name] === '' ? [] : row[name]!.split('|'));

/** Returns the items that a model reads, newest first, from the lists of a row. */
function expectedItems(row: LogRow, select: (indices: readonly number[]) => readonly number[]) {
  const names = ['hist_item', 'hist_cate', 'hist_price', 'hist_time'];
  const lists = names.map((name) => listOf(row, name));
  return select(lists[0]!.map((_, i) => i)).map((i) =>
    Object.fromEntries(names.map((name, c) => [name, lists[c]![i]!])),
  );
}

const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
const valuesOf = ({ items }: ExplainedSequence) => items.map(({ values }) => values);

/** Writes rows as a file, whose lists are separated text in CSV. */
function writeRows(name: string, given: readonly LogRow[]): string {
  const path = join(folder, name);
  const lines = [Object.keys(given[0]!), ...given.map((row) => Object.values(row))];
  const formats: Readonly<Record<string, () => string | Uint8Array>> = {
    '.csv': () => lines.map((cells) => `${cells.join(',')}\n`).join(''),
    '.jsonl': () => given.map((row) => `${JSON.stringify(withLists(row))}\n`).join(''),
    '.parquet': () => parquetOf(given),
  };
  writeFileSync(path, formats[extname(name)]!());
  return path;
}

/** Writes rows as Parquet: lists of strings, and strings. */
function parquetOf(given: readonly LogRow[]): Uint8Array {
  const names = Object.keys(given[0]!);
  const text = { type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' } as const;
  const columns = names.map((name) =>
    name.startsWith('hist_')
      ? [
          { name, repetition_type: 'OPTIONAL' as const, num_children: 1, converted_type: 'LIST' as const },
          { name: 'list', repetition_type: 'REPEATED' as const, num_children: 1 },
          { name: 'element', ...text },
        ]
      : [{ name, ...text }],
  );
  const lists = given.map(withLists);
  return new Uint8Array(
    parquetWriteBuffer({
      schema: [{ name: 'root', num_children: names.length }, ...columns.flat()],
      columnData: names.map((name) => ({ name, data: lists.map((row) => row[name]) })),
    }),
  );
}

/** Converts the lists of a row to JSON. */
const withLists = (row: LogRow): Row =>
  Object.fromEntries(
    Object.entries(row).map(([name, text]) => [name, name.startsWith('hist_') ? listOf(row, name) : text]),
  );

describe('explain', () => {
  it('returns the items that the model reads as the data has them, newest first', async () => {
    for (const [r, row] of rows.slice(0, 30).entries()) {
      const { sequences, predictions } = await explainRow({ row: r + 1 });
      const [clicks] = sequences;
      const whole = listOf(row, 'hist_item').length;
      expect(valuesOf(clicks!)).toEqual(expectedItems(row, (all) => all.slice(-6).reverse()));
      expect(clicks!.items.map(({ position }) => position)).toEqual(clicks!.items.map((_, i) => i + 1));
      expect([clicks!.name, clicks!.encoders, clicks!.dropped]).toEqual([
        'clicks',
        ['target-attention'],
        Math.max(0, whole - 6),
      ]);
      expect(clicks!.columns).toEqual([
        { name: 'hist_item', candidate: row['item'] },
        { name: 'hist_cate', candidate: row['cate'] },
        { name: 'hist_price', candidate: undefined },
        { name: 'hist_time', candidate: undefined },
      ]);
      for (const [name, [value]] of Object.entries(model.predict([row]))) expect(predictions[name]).toBe(value);
      expect(model.explain(row)).toEqual({ predictions, sequences });
      expect(model.explain(withLists(row))).toEqual({ predictions, sequences });
    }
  });

  it.each(['other.csv', 'other.jsonl', 'other.parquet'])('reads %s', async (name) => {
    const data = writeRows(name, rows);
    for (const row of [2, 7, 90]) {
      const { predictions, sequences } = await explainRow({ row });
      expect(await explainRow({ row, data })).toMatchObject({ predictions, sequences, row, data });
    }
  });

  it('gives shares that sum to 1, and weights that are positive', async () => {
    const { sequences } = await explainRow({ row: rows.findIndex((row) => listOf(row, 'hist_item').length > 3) + 1 });
    const attention = sequences[0]!.items.map((item) => item.attention['target-attention']!);
    for (const { weight } of attention) expect(weight).toBeGreaterThan(0);
    expect(attention.reduce((sum, { share }) => sum + share!, 0)).toBeCloseTo(1, 6);
    const sum = attention.reduce((total, { weight }) => total + weight!, 0);
    for (const { weight, share } of attention) expect(share).toBeCloseTo(weight! / sum, 6);
  });

  it('counts items of the time of the row or later as dropped, and sorts by time', async () => {
    const set = ['features.clicks.order={ by: hist_time }', 'features.clicks.keep.last=3', 'training.epochs=1'];
    const sorted = await trainLog(folder, { runDir: join(folder, 'sorted'), set });
    // The third and the fifth item are not before the row; the first two have the same time.
    const row = {
      ...rows[1]!,
      hist_item: 'i1|i2|i3|i4|i5|i6',
      hist_cate: 'c1|c2|c3||c5|c6',
      hist_price: '1|2.50|3|4|5|6',
      hist_time: '300|300|1000|200|2000|100',
      time: '1000',
    };
    const { sequences } = await explainRow({ path: sorted, data: writeRows('late.csv', [row]) });
    expect(valuesOf(sequences[0]!)).toEqual([
      { hist_item: 'i2', hist_cate: 'c2', hist_price: '2.50', hist_time: '300' },
      { hist_item: 'i1', hist_cate: 'c1', hist_price: '1', hist_time: '300' },
      { hist_item: 'i4', hist_cate: null, hist_price: '4', hist_time: '200' },
    ]);
    expect(sequences[0]!.dropped).toBe(3);
  });

  it('computes weights and texts of the same items, and finds the row that mtl predict counts', async () => {
    // The second row is invalid.
    const bad = { ...rows[1]!, price: 'none' };
    const data = writeRows('bad.csv', [rows[0]!, bad, rows[5]!]);
    const { predictions, sequences } = await explainRow({ row: 6 });
    expect(await explainRow({ data, row: 3 })).toMatchObject({ predictions, sequences });
    await expect(explainRow({ data, row: 2 })).rejects.toThrow(/bad\.csv:3: column "price".*explain another one/s);
    await expect(explainRow({ data, row: 4 })).rejects.toThrow(
      `--row: is 4, but ${data} has 3 rows; use a number from 1 to 3`,
    );
    await expect(explainRow({ data: join(folder, 'absent.csv') })).rejects.toThrow('absent.csv');
    expect(() => model.explain({ ...rows[0]!, hist_item: 'i1' })).toThrow('lists of equal length, instead of');
    expect(() => model.explain({})).toThrow('are missing');
  });

  it('lists weights per encoder, and items without weights for others', async () => {
    const encoder = '[pooling, { name: target-attention, weights: softmax }, { name: self-attention, width: 4 }]';
    const set = [`features.clicks.encoder=${encoder}`, 'training.epochs=1'];
    const several = await trainLog(folder, { runDir: join(folder, 'several'), set });
    const row = rows.findIndex((each) => listOf(each, 'hist_item').length > 3) + 1;
    const { sequences } = await explainRow({ path: several, row });
    expect(sequences[0]!.encoders).toEqual(['1.target-attention', '2.self-attention']);
    const sum = (encoder: string): number =>
      sequences[0]!.items.reduce((total, { attention }) => total + attention[encoder]!.weight!, 0);
    expect(sum('1.target-attention')).toBeCloseTo(1, 6);
    expect(sum('2.self-attention')).not.toBeCloseTo(1, 6);

    const pooled = await trainLog(folder, {
      runDir: join(folder, 'pooled'),
      set: ['features.clicks.encoder=pooling', 'training.epochs=1'],
    });
    const { sequences: alone } = await explainRow({ path: pooled, row });
    expect([alone[0]!.encoders, alone[0]!.items[0]!.attention]).toEqual([[], {}]);
    expect(valuesOf(alone[0]!)).toEqual(valuesOf(sequences[0]!));
  });

  it('gives weights to the items that a search selects, and none to others', async () => {
    const lines = Array.from(
      { length: 80 },
      (_, r) => `${r % 9},${[1, 2, 3, 4, 5].map((k) => (r * k + k) % 9).join('|')},${r % 2}`,
    );
    writeFileSync(join(folder, 'searched.csv'), `item,past,click\n${lines.join('\n')}\n`);
    const encoder = '{ name: search, top: 2, width: 4, attention: { hidden: [], norm: false, position: false } }';
    writeFileSync(
      join(folder, 'searched.yaml'),
      `data: { train: searched.csv, valid: searched.csv }
features:
  ids: { type: categorical, fields: [item], width: 3 }
  past: { type: sequence, fields: [{ name: past, target: item }], encoder: [target-attention, ${encoder}] }
tasks: { ctr: { label: click } }
model: { name: single-task }
training: { epochs: 3, batchSize: 20, optimizer: { embeddings: { learningRate: 0.1 } } }
`,
    );
    const runDir = join(folder, 'searched');
    await trainSmall(join(folder, 'searched.yaml'), { runDir });
    const { weights } = (await readCheckpoint(join(runDir, 'checkpoints', 'best'))).program;
    const multiply = (x: readonly number[], name: string): readonly number[] => {
      const { shape, data } = weights.get(name)!;
      return Array.from({ length: shape[1]! }, (_, c) => sumOf(x.map((value, i) => value * data[i * shape[1]! + c]!)));
    };
    const table = weights.get('embeddings.item')!.data;
    const [item, past] = lines[11]!.split(',');
    const [q, ...items] = [item!, ...past!.split('|')].map((each) => [
      ...table.slice(3 * Number(each), 3 * Number(each) + 3),
    ]);
    const projected = multiply(q!, 'past.1.search.search.candidate.weight');
    const query = multiply(projected, 'past.1.search.search.items.weight').map((value, c) => value + q![c]!);
    const scores = items.map((k) => sumOf(k.map((value, c) => value * query[c]!)));
    const best = scores.toSorted((a, b) => b - a).slice(0, 2);
    const [bias] = weights.get('past.1.search.attention.out.bias')!.data;
    const expected = items.map((k, i) => {
      if (!best.includes(scores[i]!)) return null;
      const product = k.map((value, c) => value * q![c]!);
      const x = [...q!, ...k, ...q!.map((value, c) => value - k[c]!), ...product, scores[i]!];
      const [score] = multiply(x, 'past.1.search.attention.out.weight');
      const [scaled] = multiply(product, 'past.1.search.products.weight');
      return Math.log1p(Math.exp(score! + bias! + scaled!));
    });
    expect(expected.filter((weight) => weight === null)).toHaveLength(3);
    const { sequences } = await explainRow({ path: runDir, row: 12 });
    expect(sequences[0]!.encoders).toEqual(['0.target-attention', '1.search']);
    const found = sequences[0]!.items.map(({ attention }) => attention['1.search']!).reverse();
    const total = sumOf(expected.map((weight) => weight ?? 0));
    const attention = expected.map((weight) =>
      weight === null
        ? { weight, share: null }
        : { weight: expect.closeTo(weight, 5) as number, share: expect.closeTo(weight / total, 5) as number },
    );
    expect(found).toEqual(attention);
    for (const item of sequences[0]!.items) expect(item.attention['0.target-attention']!.weight).toBeGreaterThan(0);
  });

  it('reads weighted lists, each a sequence', async () => {
    const lines = Array.from({ length: 60 }, (_, r) => `${r % 7},${r % 5},3:2|4:0.5|1:7|6:1,2|4:3,${r % 2}`);
    writeFileSync(join(folder, 'weighted.csv'), `item,shop,items,shops,click\n${lines.join('\n')}\n`);
    writeFileSync(
      join(folder, 'weighted.yaml'),
      `data: { train: weighted.csv, valid: weighted.csv }
features:
  ids: { type: categorical, fields: [item, shop], width: 4 }
  past:
    type: sequence
    aligned: false
    fields: [{ name: items, target: item }, { name: shops, target: shop }]
    keep: { heaviest: 3 }
    encoder: { name: target-attention, weights: softmax }
tasks: { ctr: { label: click } }
model: { name: single-task }
training: { epochs: 1, batchSize: 20 }
`,
    );
    const runDir = join(folder, 'weighted');
    await trainSmall(join(folder, 'weighted.yaml'), { runDir });
    const { sequences } = await explainRow({ path: runDir, row: 5 });
    expect(sequences.map(({ name, columns, dropped }) => ({ name, columns, dropped }))).toEqual([
      { name: 'past.items', columns: [{ name: 'items', candidate: '4' }], dropped: 1 },
      { name: 'past.shops', columns: [{ name: 'shops', candidate: '4' }], dropped: 0 },
    ]);
    const found = sequences.map(({ items }) =>
      items.map(({ values, listWeight }) => [Object.values(values)[0], listWeight] as const),
    );
    expect(found[0]!.toSorted()).toEqual([
      ['1', 7],
      ['3', 2],
      ['6', 1],
    ]);
    expect(found[1]!.toSorted()).toEqual([
      ['2', 1],
      ['4', 3],
    ]);
    const shares = sequences[0]!.items.reduce((sum, { attention }) => sum + attention['target-attention']!.share!, 0);
    expect(shares).toBeCloseTo(1, 6);
  });

  it('returns the weights that follow from the parameters in double precision', async () => {
    const lines = Array.from(
      { length: 80 },
      (_, r) => `${r % 9},${[1, 2, 3, 4].map((k) => (r * k + k) % 9).join('|')},${r % 2}`,
    );
    writeFileSync(join(folder, 'plain.csv'), `item,past,click\n${lines.join('\n')}\n`);
    writeFileSync(
      join(folder, 'plain.yaml'),
      `data: { train: plain.csv, valid: plain.csv }
features:
  ids: { type: categorical, fields: [item], width: 3 }
  past:
    type: sequence
    fields: [{ name: past, target: item }]
    encoder: { name: target-attention, hidden: [], weights: softmax, norm: false, position: false }
tasks: { ctr: { label: click } }
model: { name: single-task }
training: { epochs: 3, batchSize: 20, optimizer: { embeddings: { learningRate: 0.1 } } }
`,
    );
    const runDir = join(folder, 'plain');
    await trainSmall(join(folder, 'plain.yaml'), { runDir });
    const { weights } = (await readCheckpoint(join(runDir, 'checkpoints', 'best'))).program;
    const data = (name: string): number[] => [...weights.get(name)!.data];
    const table = data('embeddings.item');
    const embedding = (item: number): number[] => table.slice(3 * item, 3 * item + 3);
    const out = data('past.target-attention.attention.out.weight');
    const [bias] = data('past.target-attention.attention.out.bias');
    const products = data('past.target-attention.products.weight');
    const { sequences } = await explainRow({ path: runDir, row: 12 });
    const [item, past] = lines[11]!.split(',');
    const q = embedding(Number(item));
    const powers = past!.split('|').map((each) => {
      const k = embedding(Number(each));
      const product = q.map((x, c) => x * k[c]!);
      const x = [...q, ...k, ...q.map((value, c) => value - k[c]!), ...product];
      const score = x.reduce((sum, value, c) => sum + value * out[c]!, bias!);
      return Math.exp(product.reduce((sum, value, c) => sum + value * products[c]!, score));
    });
    const total = powers.reduce((sum, power) => sum + power, 0);
    const expected = powers.map((power) => power / total).reverse();
    const found = sequences[0]!.items.map(({ attention }) => attention['target-attention']!.weight!);
    expect(new Set(found.map((weight) => weight.toFixed(3))).size).toBeGreaterThan(1);
    for (const [i, weight] of found.entries()) expect(weight).toBeCloseTo(expected[i]!, 6);
  });

  it('of a model without sequences is an error with the fix', async () => {
    const world = join(folder, 'world');
    await smallWorld(world);
    const runDir = join(world, 'run');
    await trainSmall(join(world, 'esmm.yaml'), { runDir, set: ['training.epochs=1'] });
    const message = 'has no sequence whose items could be explained; see which fields matter with npx mtl importance';
    await expect(explainRow({ path: runDir })).rejects.toThrow(message);
    const plain = await loadModel(runDir);
    expect(() => plain.explain({ 101: 1, 121: 1, 122: 1, 205: 1, 206: 1 })).toThrow(message);
    plain.dispose();
    expect(() => plain.explain({})).toThrow('the model is disposed');
  });
});

describe('mtl explain', () => {
  it('prints predictions and items by weight, writes a chart, and with --json one object', async () => {
    const row = rows.findIndex((each) => listOf(each, 'hist_item').length > 6) + 1;
    const { code, stdout, stderr } = await mtl(folder, [
      ...['explain', 'run', '--row', String(row), '--out', 'attention.svg', '--json'],
    ]);
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(
        /^checkpoint .*, after \d+ steps; row \d+ of test\.csv\n {2}output +prediction\n( {2}\w+ +0\.\d{4}\n){3}clicks: 6 items, \d dropped; candidate: hist_item i\d+, hist_cate c\d\n {2}position +hist_item +hist_cate +hist_price +hist_time +target-attention +share\n( {2}\d .*%\n){6}written to attention\.svg\n$/,
      ),
    ]);
    const { run: path, out, ...found } = JSON.parse(stdout) as { run: string; out: string };
    expect([path, out]).toEqual(['run', 'attention.svg']);
    const expected = await explainRow({ row });
    // JSON has no undefined.
    expect(found).toEqual({
      ...(JSON.parse(JSON.stringify(expected)) as object),
      checkpoint: expect.any(String) as string,
    });
    const shares = [...stderr.matchAll(/ ([\d.]+)%/g)].map(([, share]) => Number(share));
    expect(shares).toEqual(shares.toSorted((a, b) => b - a));
    const chart = readFileSync(join(folder, 'attention.svg'), 'utf8');
    expect(chart.match(/<rect x=/g)).toHaveLength(6);
    for (const { values } of expected.sequences[0]!.items)
      for (const text of Object.values(values)) expect(chart).toContain(`>${text}</text>`);
  });

  it('prints - for items that a search does not select, and orders them last', async () => {
    const set = ['features.clicks.encoder={ name: search, top: 2 }', 'training.epochs=1'];
    await trainLog(folder, { runDir: join(folder, 'found'), set });
    const row = rows.findIndex((each) => listOf(each, 'hist_item').length > 5) + 1;
    const { code, stdout } = await mtl(folder, ['explain', 'found', '--row', String(row), '--out', 'found.svg']);
    const lines = stdout.split('\n').filter((line) => /^ {2}\d /.test(line));
    const { sequences } = await explainRow({ path: join(folder, 'found'), row });
    expect([code, lines.length]).toEqual([0, sequences[0]!.items.length]);
    expect(lines.map((line) => / - +-$/.test(line))).toEqual(lines.map((_, i) => i > 1));
    expect(lines.slice(0, 2).every((line) => /\d% *$/.test(line))).toBe(true);
    const positions = lines.slice(2).map((line) => Number(line.trim().split(/ +/)[0]));
    expect(positions).toEqual(positions.toSorted((a, b) => a - b));
    const chart = readFileSync(join(folder, 'found.svg'), 'utf8');
    expect(chart.match(/>-<\/text>/g)).toHaveLength(lines.length - 2);
  });

  it('sorts by position, writes JSON, and rejects other files before it reads anything', async () => {
    const { code, stdout } = await mtl(folder, [
      'explain',
      'run',
      '--row',
      '2',
      '--sort',
      'position',
      '--out',
      'a.json',
    ]);
    expect(code).toBe(0);
    const positions = [...stdout.matchAll(/^ {2}(\d+) .*%$/gm)].map(([, position]) => Number(position));
    expect(positions).toEqual(positions.map((_, i) => i + 1));
    const { sequences } = await explainRow({ row: 2 });
    expect(JSON.parse(readFileSync(join(folder, 'a.json'), 'utf8'))).toMatchObject(
      JSON.parse(JSON.stringify({ sequences })) as object,
    );
    const refused = await mtl(folder, ['explain', 'absent', '--out', 'a.png']);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('use --out attention.svg')]);
  });
});
