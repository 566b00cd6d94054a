import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { openParquet } from '../../src/data/files/parquet.js';
import { refuseBadRows, skipBadRows, type RejectPolicy } from '../../src/data/rows/rejects.js';
import { columnsOf, encodedFormat, rowFormatOf } from '../../src/data/rows/row-format.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { taskOptions } from '../../src/tasks.js';
import { scratchFolder } from '../support/scratch.js';

const tasks = [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }];
const groups = [
  { type: 'categorical', fields: ['user'] }, { type: 'categorical', fields: ['word'], encoding: { name: 'tokens' } }, { type: 'numeric', fields: ['price'], scaling: 'standard' },
  { type: 'bag', fields: ['seen', 'weighted'] },
].map((group) => featureTypes.schema.parse(group));

const rows = Array.from({ length: 100 }, (_, r) => ({ click: r % 2, user: r % 30, word: ['red', 'green', ''][r % 3]!, price: r / 4, seen: [1, 2, 3].slice(0, r % 4), weighted: [5, 6].slice(0, r % 3).map((id) => ({ id, weight: id / 2 })) }));
type Rows = typeof rows;

function parquetOf(part: Rows, rowGroupSize = 40): Uint8Array {
  const lists = (name: string, element: object[]) => [
    { name, repetition_type: 'OPTIONAL' as const, num_children: 1, converted_type: 'LIST' as const },
    { name: 'list', repetition_type: 'REPEATED' as const, num_children: 1 },
    ...element,
  ];
  const schema = [
    { name: 'root', num_children: 7 },
    { name: 'click', type: 'BOOLEAN', repetition_type: 'REQUIRED' },
    { name: 'user', type: 'INT64', repetition_type: 'REQUIRED' },
    { name: 'word', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
    { name: 'price', type: 'DOUBLE', repetition_type: 'REQUIRED' },
    { name: 'unused', type: 'INT32', repetition_type: 'REQUIRED' },
    ...lists('seen', [{ name: 'element', type: 'INT32', repetition_type: 'REQUIRED' }]),
    ...lists('weighted', [{ name: 'element', repetition_type: 'REQUIRED', num_children: 2 }, { name: 'id', type: 'INT64', repetition_type: 'REQUIRED' }, { name: 'weight', type: 'FLOAT', repetition_type: 'REQUIRED' }]),
  ];
  const column = (name: string, data: unknown[]) => ({ name, data });
  const columnData = [
    column('click', part.map(({ click }) => click === 1)),
    column('user', part.map(({ user }) => BigInt(user))),
    column('word', part.map(({ word }) => (word === '' ? null : word))),
    column('price', part.map(({ price }) => price)),
    column('unused', part.map(() => 1)),
    column('seen', part.map(({ seen }) => seen)),
    column('weighted', part.map(({ weighted }) => weighted.map(({ id, weight }) => ({ id: BigInt(id), weight })))),
  ];
  return new Uint8Array(parquetWriteBuffer({ columnData, schema, rowGroupSize } as unknown as Parameters<typeof parquetWriteBuffer>[0]));
}

function csvOf(part: Rows): string {
  const lines = part.map(({ click, user, word, price, seen, weighted }) => [click, user, word, price, seen.join('|'), weighted.map(({ id, weight }) => `${id}:${weight}`).join('|')].join(','));
  return `click,user,word,price,seen,weighted\n${lines.join('\n')}\n`;
}

async function read(path: string, policy: RejectPolicy = refuseBadRows): Promise<unknown> {
  const format = rowFormatOf(tasks, groups);
  const reading = { policy, cache: { folder: scratchFolder() } };
  const source = await openSource(path, columnsOf(format));
  const fitted = await source.fit(format, reading);
  const dataset = await source.dataset(encodedFormat(format, fitted), reading);
  const batches: unknown[] = [fitted, dataset.rows];
  for await (const { batch } of dataset.batches(32)) {
    for (const columns of [batch.ids, batch.numbers, batch.labels]) for (const [name, data] of columns) batches.push([name, [...data]]);
    for (const [name, { offsets, ids, weights }] of batch.bags) batches.push([name, [...offsets], [...ids], [...weights]]);
  }
  return batches;
}

function written(name: string, content: string | Uint8Array): string {
  const path = join(scratchFolder(), name);
  writeFileSync(path, content);
  return path;
}

describe('Parquet', () => {
  it('gives what the CSV of the same rows gives: numbers, texts, nulls, booleans, lists, lists of pairs; over row groups', async () => {
    expect(await read(written('train.parquet', parquetOf(rows)))).toEqual(await read(written('train.csv', csvOf(rows))));
  });

  it('is a folder of parts as well, with the marks that Spark leaves', async () => {
    const folder = scratchFolder();
    for (const [name, content] of [['part-00001.snappy.parquet', parquetOf(rows.slice(60))], ['part-00000.snappy.parquet', parquetOf(rows.slice(0, 60))], ['_SUCCESS', ''], ['.part-00000.snappy.parquet.crc', 'x']] as const) writeFileSync(join(folder, name), content);
    expect(await read(folder)).toEqual(await read(written('train.csv', csvOf(rows))));
    const before = await (await openParquet(folder, [])).fingerprint();
    writeFileSync(join(folder, 'part-00001.snappy.parquet'), parquetOf(rows.slice(60).reverse()));
    expect(await (await openParquet(folder, [])).fingerprint()).not.toEqual(before);
    mkdirSync(join(folder, 'date=2026-01-01'));
    await expect(read(folder)).rejects.toThrow(/date=2026-01-01: stands among the parts/);
  });

  it('has bad rows that are told by file and row', async () => {
    const bad = rows.map((row, r) => (r === 70 ? { ...row, user: -1 } : row));
    const folder = scratchFolder();
    writeFileSync(join(folder, 'a.parquet'), parquetOf(bad.slice(0, 50)));
    writeFileSync(join(folder, 'b.parquet'), parquetOf(bad.slice(50)));
    await expect(read(folder)).rejects.toThrow(/b\.parquet:21: column "user": expected an id: a whole number in digits, found "-1"/);
    const out = join(scratchFolder(), 'rejects.csv');
    const policy = skipBadRows(out, 10);
    expect(((await read(folder, policy)) as [unknown, number])[1]).toBe(99);
    expect(policy.count).toBe(1);
    expect(readFileSync(out, 'utf8')).toMatch(/b\.parquet,21,user,-1,/);
  });

  it.each<[string, () => string, RegExp]>([
    ['a file that is cut', () => written('x.parquet', parquetOf(rows).subarray(0, 900)), /x\.parquet: cannot be read as Parquet/],
    ['a file that is damaged', () => written('x.parquet', parquetOf(rows).map((byte, i) => (i > 20 && i < 400 ? 255 : byte))), /x\.parquet: cannot be read as Parquet/],
    ['a column that is not there', () => written('x.parquet', new Uint8Array(parquetWriteBuffer({ columnData: [{ name: 'click', data: [1] }] }))), /column "user": the config asks for it/],
    ['a folder of nothing', () => scratchFolder(), /is a folder, with neither a manifest\.json of shards nor Parquet files/],
  ])('refuses %s', async (_, make, message) => {
    const path = make();
    await expect(read(path)).rejects.toThrow(message);
    await expect(read(path)).rejects.toMatchObject({ exitCode: 3 });
  });
});
