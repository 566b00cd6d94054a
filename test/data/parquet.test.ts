/** @module-tag long */
import { mapsOf } from '../support/batches.js';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { openRows } from '../../src/data/readers/open-rows.js';
import { refuseBadRows, skipBadRows, type RejectPolicy } from '../../src/data/rows/rejects.js';
import { dataColumns, encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { column, type Batch } from '../../src/core/batch.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { storedFitted } from '../../src/features/fitted.js';
import { taskOptions } from '../../src/core/tasks.js';
import { scratchFolder } from '../support/scratch.js';

const tasks = [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }];
const groups = [
  { type: 'categorical', fields: ['user'] },
  { type: 'categorical', fields: ['word'], encoding: { name: 'tokens' } },
  { type: 'numeric', fields: ['price'], scaling: 'standard' },
  { type: 'bag', fields: ['seen', 'weighted'] },
].map((group) => featureTypes.schema.parse(group));

const rows = Array.from({ length: 100 }, (_, r) => ({
  click: r % 2,
  user: r % 30,
  word: ['red', 'green', ''][r % 3]!,
  price: r / 4,
  seen: [1, 2, 3].slice(0, r % 4),
  weighted: [5, 6].slice(0, r % 3).map((id) => ({ id, weight: id / 2 })),
}));
type Rows = typeof rows;

const CASES = join(import.meta.dirname, 'parquet-cases');

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
    ...lists('weighted', [
      { name: 'element', repetition_type: 'REQUIRED', num_children: 2 },
      { name: 'id', type: 'INT64', repetition_type: 'REQUIRED' },
      { name: 'weight', type: 'FLOAT', repetition_type: 'REQUIRED' },
    ]),
  ];
  const column = (name: string, data: unknown[]) => ({ name, data });
  const columnData = [
    column(
      'click',
      part.map(({ click }) => click === 1),
    ),
    column(
      'user',
      part.map(({ user }) => BigInt(user)),
    ),
    column(
      'word',
      part.map(({ word }) => (word === '' ? null : word)),
    ),
    column(
      'price',
      part.map(({ price }) => price),
    ),
    column(
      'unused',
      part.map(() => 1),
    ),
    column(
      'seen',
      part.map(({ seen }) => seen),
    ),
    column(
      'weighted',
      part.map(({ weighted }) => weighted.map(({ id, weight }) => ({ id: BigInt(id), weight }))),
    ),
  ];
  return new Uint8Array(
    parquetWriteBuffer({ columnData, schema, rowGroupSize } as unknown as Parameters<typeof parquetWriteBuffer>[0]),
  );
}

function csvOf(part: Rows): string {
  const lines = part.map(({ click, user, word, price, seen, weighted }) =>
    [click, user, word, price, seen.join('|'), weighted.map(({ id, weight }) => `${id}:${weight}`).join('|')].join(','),
  );
  return `click,user,word,price,seen,weighted\n${lines.join('\n')}\n`;
}

async function read(path: string, policy: RejectPolicy = refuseBadRows): Promise<unknown> {
  const format = createRowFormat({ tasks, groups });
  const reading = { policy, cache: { folder: scratchFolder() } };
  const source = await openSource(path, dataColumns(format));
  const fitted = await source.fit(format, reading);
  const dataset = await source.dataset(encodedFormat(format, fitted), reading);
  const batches: unknown[] = [fitted, dataset.rows];
  for await (const { batch } of dataset.batches(32)) {
    for (const columns of [mapsOf(batch).ids, mapsOf(batch).numbers, mapsOf(batch).labels])
      for (const [name, data] of columns) batches.push([name, [...data]]);
    for (const [name, { offsets, ids, weights }] of mapsOf(batch).bags)
      batches.push([name, [...offsets], [...ids], [...weights]]);
  }
  return batches;
}

function written(name: string, content: string | Uint8Array): string {
  const path = join(scratchFolder(), name);
  writeFileSync(path, content);
  return path;
}

const OPEN_ROWS = pathToFileURL(join(import.meta.dirname, '../../dist/data/readers/open-rows.js')).href;

describe('Parquet', () => {
  it('equals CSV of the same rows of all types, over row groups', async () => {
    expect(await read(written('train.parquet', parquetOf(rows)))).toEqual(
      await read(written('train.csv', csvOf(rows))),
    );
  });

  it("reads a directory of parts with Spark's marker files", async () => {
    const folder = scratchFolder();
    for (const [name, content] of [
      ['part-00001.snappy.parquet', parquetOf(rows.slice(60))],
      ['part-00000.snappy.parquet', parquetOf(rows.slice(0, 60))],
      ['_SUCCESS', ''],
      ['.part-00000.snappy.parquet.crc', 'x'],
    ] as const)
      writeFileSync(join(folder, name), content);
    expect(await read(folder)).toEqual(await read(written('train.csv', csvOf(rows))));
    const before = await (await openSource(folder, [])).fingerprint({});
    writeFileSync(join(folder, 'part-00001.snappy.parquet'), parquetOf(rows.slice(60).reverse()));
    expect(await (await openSource(folder, [])).fingerprint({})).not.toEqual(before);
    mkdirSync(join(folder, 'date=2026-01-01'));
    await expect(read(folder)).rejects.toThrow(/date=2026-01-01: is a partition in the directory/);
  });

  it('accepts U+FFFD and rejects invalid UTF-8', async () => {
    const path = written(
      'train.parquet',
      parquetOf(rows.map((row, r) => (r === 7 ? { ...row, word: 'r\ufffd' } : row))),
    );
    await read(path);
    const bytes = readFileSync(path);
    for (let at = bytes.indexOf('r\ufffd'); at >= 0; at = bytes.indexOf('r\ufffd', at))
      bytes.fill(0xff, at + 1, at + 4);
    await expect(read(written('train.parquet', bytes))).rejects.toThrow(
      /train\.parquet:8: column "word": expected valid UTF-8/,
    );
  });

  it('reports invalid rows with file and row number', async () => {
    const bad = rows.map((row, r) => (r === 70 ? { ...row, user: -1 } : row));
    const folder = scratchFolder();
    writeFileSync(join(folder, 'a.parquet'), parquetOf(bad.slice(0, 50)));
    writeFileSync(join(folder, 'b.parquet'), parquetOf(bad.slice(50)));
    await expect(read(folder)).rejects.toThrow(
      /b\.parquet:21: column "user": expected an integer id in digits, found "-1"/,
    );
    const out = join(scratchFolder(), 'rejects.csv');
    const policy = skipBadRows(out, 10);
    expect(((await read(folder, policy)) as [unknown, number])[1]).toBe(99);
    expect(policy.count).toBe(1);
    expect(readFileSync(out, 'utf8')).toMatch(/b\.parquet,21,user,-1,/);
  });

  it('may have any file name, and be a link in a directory', async () => {
    const expected = await read(written('train.csv', csvOf(rows)));
    expect(await read(written('train.parq', parquetOf(rows)))).toEqual(expected);
    expect(await read(written('2f5e1c', parquetOf(rows)))).toEqual(expected);
    // The layout of a Hugging Face cache.
    const folder = scratchFolder();
    symlinkSync(written('blob0', parquetOf(rows.slice(0, 60))), join(folder, 'train-00000.parquet'));
    symlinkSync(written('blob1', parquetOf(rows.slice(60))), join(folder, 'train-00001.parquet'));
    expect(await read(folder)).toEqual(expected);
  });

  it.each<[string, () => string, RegExp]>([
    [
      'a truncated file',
      () => written('x.parquet', parquetOf(rows).subarray(0, 900)),
      /x\.parquet: cannot be read as Parquet/,
    ],
    [
      'a damaged file',
      () =>
        written(
          'x.parquet',
          parquetOf(rows).map((byte, i) => (i > 20 && i < 400 ? 255 : byte)),
        ),
      /x\.parquet: column "click": cannot be read as Parquet in row group 1: /,
    ],
    [
      'a missing column',
      () => written('x.parquet', new Uint8Array(parquetWriteBuffer({ columnData: [{ name: 'click', data: [1] }] }))),
      /column "user": is used by the config/,
    ],
    [
      'an empty directory',
      () => scratchFolder(),
      /is a directory without a shard manifest\.json or CSV, JSON Lines or Parquet files/,
    ],
    [
      'a CSV named .parquet',
      () => written('x.parquet', csvOf(rows)),
      /x\.parquet: is named like a Parquet file, but does not begin with PAR1; copy the file again/,
    ],
    ['an empty file named .parquet', () => written('x.parquet', ''), /x\.parquet: is empty; expected Parquet/],
    [
      'a Git LFS pointer',
      () => written('x.parquet', 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n'),
      /it is a Git LFS pointer: run git lfs pull/,
    ],
    [
      'an encrypted file',
      () => written('x.parquet', Buffer.concat([Buffer.from('PARE'), Buffer.alloc(100), Buffer.from('PARE')])),
      /x\.parquet: is encrypted Parquet/,
    ],
    [
      'a duplicate column',
      () => join(CASES, 'twice.parquet'),
      /twice\.parquet: column "twice": is in the schema twice; rename or remove one/,
    ],
  ])('rejects %s', async (_, make, message) => {
    const path = make();
    await expect(read(path)).rejects.toThrow(message);
    await expect(read(path)).rejects.toMatchObject({ exitCode: 3 });
  });
});

/** Reads a case with these groups; returns fit, rows and invalid rows. */
async function readCase(
  name: string,
  label: string,
  features: readonly object[],
): Promise<{ fitted: Readonly<Record<string, unknown>>; batch: Batch; bad: string[] }> {
  const format = createRowFormat({
    tasks: [{ name: 'task', ...taskOptions.parse({ label }) }],
    groups: features.map((group) => featureTypes.schema.parse(group)),
  });
  const bad: string[] = [];
  const policy: RejectPolicy = {
    count: 0,
    reject: ({ line, column, value, expected }) =>
      void bad.push(`${line} ${column}: expected ${expected}, found ${value}`),
  };
  const reading = { policy, cache: { folder: scratchFolder() } };
  const source = await openSource(join(CASES, name), dataColumns(format));
  const fitted = await source.fit(format, reading);
  bad.length = 0;
  const dataset = await source.dataset(encodedFormat(format, fitted), reading);
  for await (const { batch } of dataset.batches(100))
    return { fitted: storedFitted(fitted).json, batch, bad: [...new Set(bad)] };
  throw new Error('no rows');
}

/** Returns the items of a bag by row. */
function bagsOf(batch: Batch, field: string): [number, number][][] {
  const { rows: count, bags } = mapsOf(batch);
  const { offsets, ids, weights } = bags.get(field)!;
  return Array.from({ length: count }, (_, b) =>
    Array.from(ids.subarray(offsets[b], offsets[b + 1]), (id, i) => [id, weights[offsets[b]! + i]!]),
  );
}

describe('Parquet value', () => {
  const tokens = { name: 'tokens' };

  it('of a list is read as items, whatever separators they contain', async () => {
    const separators = { items: ',', weight: '_' };
    const { fitted, batch } = await readCase('lists-v1.parquet', 'click', [
      { type: 'bag', fields: ['words'], encoding: tokens, separators },
      { type: 'bag', fields: ['map', 'turned'], encoding: tokens, pooling: 'sum' },
      { type: 'bag', fields: ['pairs'] },
    ]);
    // Each occurs once, so they are in lexical order.
    const words = ['[a]', '__proto__', 'a|b', 'c:2', 'x,y', '\u6771'];
    expect(fitted['words']).toEqual({ vocabulary: words });
    const of = (word: string): [number, number] => [words.indexOf(word) + 1, 1];
    expect(bagsOf(batch, 'words')).toEqual([
      [of('a|b'), of('c:2')],
      [of('__proto__'), of('x,y')],
      [],
      [of('[a]')],
      [],
      [of('\u6771')],
    ]);
    // b occurs twice, the others once in lexical order.
    expect(fitted['map']).toEqual({ vocabulary: ['b', '__proto__', 'a', 'constructor'] });
    expect(bagsOf(batch, 'map')).toEqual([
      [
        [2, 1.5],
        [1, 2],
      ],
      [
        [1, 1],
        [3, 2],
        [1, 3],
      ],
      [],
      [],
      [[4, 1]],
      [],
    ]);
    expect(bagsOf(batch, 'turned').slice(0, 2)).toEqual([
      [[1, 0.25]],
      [
        [2, 3],
        [3, 4],
      ],
    ]);
    expect(bagsOf(batch, 'pairs')[0]).toEqual([
      [1, Math.fround(0.1)],
      [2, 2],
    ]);
  });

  it('of a list item without id or weight rejects the row', async () => {
    const { batch, bad } = await readCase('holes.parquet', 'click', [
      { type: 'bag', fields: ['words'], encoding: tokens },
      { type: 'bag', fields: ['pairs'] },
    ]);
    expect(bad).toEqual([
      '2 words: expected an id in every item, found [""]',
      '3 words: expected an id in every item, found [""]',
      '4 words: expected an id in every item, found ["b",""]',
      '5 pairs: expected a weight in the range of a 32-bit float for every item, found [["3",null]]',
    ]);
    expect(batch.rows).toBe(1);
  });

  it('is a token by its string, and a number or label if finite; true is 1 and false is 0', async () => {
    const { fitted, batch, bad } = await readCase('types-plain-v1.parquet', 'bool', [
      { type: 'numeric', fields: ['float'] },
      { type: 'categorical', fields: ['double', 'int64', 'date'], encoding: tokens },
    ]);
    expect(bad).toEqual([
      '4 float: expected a decimal number, found nan',
      '5 float: expected a decimal number, found inf',
    ]);
    expect([...column(batch, 'bool', 'f32').data.subarray(0, batch.rows)]).toEqual([1, 0, 1, 1, 0, 0]);
    expect([...column(batch, 'float', 'f32').data.subarray(0, batch.rows)]).toEqual(
      [0.1, 16777216, 3.4028235e38, 1e-45, -0, 123456789].map(Math.fround),
    );
    expect(fitted['int64']).toEqual({
      vocabulary: ['-1', '-9223372036854775808', '0', '4294967296', '9007199254740992', '9223372036854775807'],
    });
    expect(fitted['date']).toEqual({
      vocabulary: ['0001-12-31 (BC)', '10000-01-01', '1969-12-31', '1970-01-01', '2000-02-29', '2020-01-02'],
    });
    const { fitted: nan } = await readCase('types-plain-v1.parquet', 'bool', [
      { type: 'categorical', fields: ['double'], encoding: tokens },
    ]);
    expect((nan['double'] as { vocabulary: string[] }).vocabulary).toContain('nan');
  });

  it.each([
    ['struct', 'struct<a: int64, b: string>', 'write each of its fields as a separate column'],
    [
      'pairs_of_others',
      'list<struct<item: int64, score: double>>',
      'read a member, such as pairs_of_others.item; or write a list of ids, or of structs with the fields id and',
    ],
    [
      'triples',
      'list<struct<id: int64, weight: double, time: int64>>',
      'read a member, such as triples.id; or write a list of ids, or of structs with the fields id and weight',
    ],
    ['text_weights', 'map<string, string>', 'cast its weights to numbers, or write a list of ids without weights'],
    ['deep_map', 'map<string, list<int64>>', 'write a list of ids, or of structs with the fields id and weight'],
  ])('of an unsupported type is rejected with column, type and fix: %s', async (name, type, fix) => {
    const found = readCase('refused.parquet', 'good', [{ type: 'bag', fields: [name] }]);
    await expect(found).rejects.toThrow(
      `refused.parquet: column "${name}": is ${type}, which cannot be read as a value or a bag; ${fix}`,
    );
    await expect(found).rejects.toMatchObject({ exitCode: 3 });
  });

  it('of a list is rejected if the config expects one value per row', async () => {
    await expect(readCase('lists-v1.parquet', 'click', [{ type: 'categorical', fields: ['ids'] }])).rejects.toThrow(
      /column "ids": is list<int64>, but the config expects one value per row; set type: bag for the feature/,
    );
  });
});

describe('Parquet reader', () => {
  it('requires memory per page, not per row group', () => {
    const list = Array.from({ length: 10 }, (_, i) => 1000 + i);
    const columnData = ['a', 'b', 'c', 'd'].map((name) => ({ name, data: new Array<number[]>(200_000).fill(list) }));
    const schema = [
      { name: 'root', num_children: 4 },
      ...columnData.flatMap(({ name }) => [
        { name, repetition_type: 'OPTIONAL' as const, num_children: 1, converted_type: 'LIST' as const },
        { name: 'list', repetition_type: 'REPEATED' as const, num_children: 1 },
        { name: 'element', type: 'INT32' as const, repetition_type: 'REQUIRED' as const },
      ]),
    ];
    const path = written(
      'long.parquet',
      new Uint8Array(parquetWriteBuffer({ columnData, schema, rowGroupSize: 200_000 })),
    );
    const script = `
      import { openRows } from '${OPEN_ROWS}';
      const { csv } = await openRows(${JSON.stringify(path)}, ['a', 'b', 'c', 'd']);
      let items = 0;
      let peak = 0;
      for await (const { columns, rows } of csv.pieces()) {
        for (const { lists } of columns.values()) items += lists.offsets[rows] - lists.offsets[0];
        peak = Math.max(peak, process.memoryUsage().arrayBuffers);
      }
      console.log(JSON.stringify({ items, peak }));`;
    // Eight million items as JavaScript objects would take more than twice as much.
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      ['--max-old-space-size=64', '--input-type=module', '-e', script],
      { encoding: 'utf8' },
    );
    expect(status, stderr.slice(0, 500)).toBe(0);
    const { items, peak } = JSON.parse(stdout) as { items: number; peak: number };
    expect(items).toBe(8_000_000);
    expect(peak).toBeLessThan(100e6);
  });

  it('reads fewer rows per block for columns whose ids are exact as strings only', async () => {
    const data = Array.from({ length: 4096 }, (_, r) => 2n ** 62n + BigInt(r));
    const names = Array.from({ length: 300 }, (_, c) => `c${c}`);
    const path = written(
      'ids.parquet',
      new Uint8Array(
        parquetWriteBuffer({
          columnData: names.map((name) => ({ name, data, type: 'INT64' as const })),
          rowGroupSize: data.length,
        }),
      ),
    );
    const { csv } = await openRows(path, names);
    let rows = 0;
    for await (const piece of csv.pieces()) {
      if (!('columns' in piece)) throw new Error('expected columns');
      for (const name of ['c0', 'c299'])
        expect(piece.columns.get(name)!.text(piece.rows - 1)).toBe(String(data[rows + piece.rows - 1]));
      const characters = 300 * 19 * piece.rows;
      expect(characters).toBeLessThan(1 << 23);
      rows += piece.rows;
    }
    expect(rows).toBe(4096);
  });
});
