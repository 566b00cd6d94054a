/** @module-tag long */
import { mapsOf } from '../support/batches.js';
import { column } from '../../src/core/batch.js';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { shardDataset, type Dataset } from '../../src/data/batches/dataset.js';
import { ENTRY, VERSION } from '../../src/data/cache/entry.js';
import { fitRows } from '../../src/data/pipeline.js';
import * as rowsOpened from '../../src/data/readers/open-rows.js';
import { refuseBadRows, skipBadRows, type RejectPolicy } from '../../src/data/rows/rejects.js';
import {
  blockColumns,
  dataColumns,
  encodedFormat,
  createRowFormat,
  type RowFormat,
} from '../../src/data/rows/row-format.js';
import { samplingOptions } from '../../src/data/sampling-options.js';
import { joinedShards } from '../../src/data/shards/joined-shards.js';
import { readLeftOut } from '../../src/data/shards/counts.js';
import { openShards, type Shards } from '../../src/data/shards/reader.js';
import { asStored } from '../../src/data/shards/shard-view.js';
import { dataOptions } from '../../src/data/options.js';
import { openSource } from '../../src/data/sources/open-source.js';
import type { Reading } from '../../src/data/sources/source.js';
import { openData } from '../../src/data/sources/splits.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { toFittedKey } from '../../src/features/fitted.js';
import { taskOptions } from '../../src/core/tasks.js';
import { entriesIn } from '../support/cached-csv.js';
import { encodeFolder } from '../support/encode-folder.js';
import { scratchFolder } from '../support/scratch.js';

// Fits and encodings of several files use rows stored per file, so that a new file is the only one to read.

/** Names of the files that were read or hashed since the last reset. */
const touched: string[] = [];

vi.mock('../../src/data/readers/open-rows.js', async (original) => {
  const real = await original<typeof rowsOpened>();
  const openRows: typeof real.openRows = async (path, ...rest) => {
    const source = await real.openRows(path, ...rest);
    const { csv } = source;
    const touch = (): void => void touched.push(basename(path));
    const fingerprint: typeof csv.fingerprint = (onBytes) => csv.fingerprint((bytes) => (touch(), onBytes?.(bytes)));
    return { ...source, csv: { ...csv, pieces: (numKept) => (touch(), csv.pieces(numKept)), fingerprint } };
  };
  return { ...real, openRows };
});

const GROUPS = [
  { type: 'categorical', fields: ['user'] },
  {
    type: 'categorical',
    fields: ['city', { name: 'plan', fillMissing: 'token', nullValues: ['?'], trim: true }],
    encoding: { name: 'tokens', minCount: 2 },
  },
  { type: 'categorical', fields: ['item'], encoding: 'auto' },
  { type: 'bag', fields: ['seen'], encoding: 'auto', table: 'item', maxItems: 2 },
  { type: 'bag', fields: ['words'], encoding: 'tokens', pooling: 'sum' },
  { type: 'numeric', fields: ['price'], scaling: 'standard', fillMissing: 'median', indicator: true },
  { type: 'numeric', fields: ['stay'], scaling: ['log1p', 'min-max'], fillMissing: 'mean', nullValues: [-1] },
  { type: 'bucketized', fields: ['price'], quantiles: 3 },
  { type: 'vector', fields: ['look'], scaling: 'standard', fillMissing: 'mean', indicator: true },
  { type: 'cross', fields: [['city', 'plan']], encoding: 'tokens' },
  { type: 'cross', fields: [['city', 'item']], buckets: 50 },
  { type: 'date', fields: ['at'], parts: ['weekday'], fillMissing: 'unknown' },
].map((group) => featureTypes.schema.parse(group));
const TASKS = [
  { name: 'ctr', ...taskOptions.parse({ label: 'click' }) },
  { name: 'cvr', ...taskOptions.parse({ label: { column: 'pay', above: 3 }, given: 'click', onMissing: 'mask' }) },
];
const COLUMNS = ['click', 'pay', 'user', 'city', 'plan', 'item', 'seen', 'words', 'price', 'stay', 'look', 'at'];

function formatOf(
  options: { readonly negatives?: number; readonly seed?: number; readonly groups?: typeof GROUPS } = {},
): RowFormat {
  const { negatives, seed, groups = GROUPS } = options;
  return createRowFormat({
    tasks: TASKS,
    groups,
    ...(negatives !== undefined && { sampling: samplingOptions.parse({ rate: negatives, seed }) }),
  });
}

type Row = readonly string[];
const textOf = (rows: readonly Row[]): string => [COLUMNS, ...rows].map((cells) => `${cells.join(',')}\n`).join('');

/** Creates a row with a value of every kind. */
const rowOf = (i: number): Row => [
  String(i % 2),
  i % 2 === 1 ? ['', '2', '9'][i % 3]! : '',
  String(i % 9),
  `c${(i * 5) % 4}`,
  ['gold', ' ?', '', ' gold'][i % 4]!,
  String(1 + (i % 6)),
  `${1 + (i % 5)}:2|${1 + (i % 7)}:0.1|3`,
  i % 4 === 0 ? '' : `w${i % 3}|x`,
  i % 5 === 0 ? '' : String(((i * 37) % 11) / 8),
  i % 6 === 0 ? '-1.0' : String(i % 13),
  i % 7 === 0 ? '' : `${i / 3}|-1`,
  `2026-11-0${1 + (i % 9)}`,
];
const rowsOf = (begin: number, end: number): readonly Row[] =>
  Array.from({ length: end - begin }, (_, i) => rowOf(begin + i));

function writeFiles(folder: string, files: Readonly<Record<string, readonly Row[]>>): void {
  for (const [name, rows] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), textOf(rows));
  }
}

const countPolicy = (): RejectPolicy => skipBadRows(undefined, 1000);

/** Reads the bytes of the shards in a directory, and its manifest. */
function shardsIn(folder: string): unknown {
  return readdirSync(folder)
    .filter((name) => name.startsWith('shard-') || name === 'rejects.jsonl' || name === 'manifest.json')
    .sort()
    .map((name) => [name, readFileSync(join(folder, name), 'utf8')]);
}

/** Collects all batches of a dataset. */
async function rowsIn(dataset: Dataset): Promise<readonly unknown[]> {
  const rows: unknown[] = [];
  for await (const { batch } of dataset.batches(5)) {
    for (const columns of [mapsOf(batch).labels, mapsOf(batch).ids, mapsOf(batch).numbers])
      rows.push([...columns].map(([name, data]) => [name, [...data]]));
    rows.push(
      [...mapsOf(batch).bags].map(([name, { offsets, ids, weights }]) => [name, [...offsets], [...ids], [...weights]]),
      [...mapsOf(batch).vectors].map(([name, { data }]) => [name, [...data]]),
    );
  }
  return rows;
}

/** Runs fit and encoding through the cache; returns the fit and the shards of each file. */
async function run(paths: readonly string[], cache: string, format: RowFormat, reading: Partial<Reading> = {}) {
  touched.length = 0;
  const all: Reading = { policy: countPolicy(), cache: { folder: cache }, ...reading };
  const source = await openSource(paths, dataColumns(format));
  const fitted = await source.fit(format, all);
  const before = new Set(readdirSync(cache));
  const dataset = await source.dataset(encodedFormat(format, fitted), all);
  const made = readdirSync(cache).filter((name) => name.includes('.rows-') && !before.has(name));
  return {
    fitted: toFittedKey(fitted),
    rows: await rowsIn(dataset),
    leftOut: dataset.leftOut,
    rejected: all.policy.count,
    touched: [...new Set(touched)].sort(),
    shards: made.sort().map((name) => shardsIn(join(cache, name))),
  };
}

/** Runs the same without a cache, with several threads. */
async function fromFiles(paths: readonly string[], format: RowFormat, threads = 1) {
  const policy = countPolicy();
  const sources = await Promise.all(paths.map((path) => rowsOpened.openRows(path, dataColumns(format))));
  const fitted = await fitRows(sources, format, policy);
  const encoded = encodedFormat(format, fitted);
  const shards: [string, unknown][] = [];
  const opened: Shards[] = [];
  for (const source of sources) {
    const folder = await encodeFolder(source, encoded, policy, { threads });
    shards.push([basename(source.csv.path), shardsIn(folder)]);
    opened.push((await openShards(folder))!);
  }
  const all = joinedShards(opened);
  return {
    fitted: toFittedKey(fitted),
    rows: await rowsIn(shardDataset(all, asStored(blockColumns(encoded)), { lossKeys: encoded.spec.lossKeys })),
    leftOut: readLeftOut(all.manifest),
    rejected: policy.count,
    shards: shards.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, found]) => found),
  };
}

describe('rows stored per file', () => {
  it('read a list like its file if two fields read lists of different forms', async () => {
    const folder = scratchFolder();
    const paths = ['a.jsonl', 'b.jsonl'].map((name) => join(folder, name));
    for (const path of paths) writeFileSync(path, '{"click":1,"words":["x","y"]}\n{"click":0,"words":["y"]}\n');
    const groups = [
      { type: 'bag', fields: ['words'], encoding: 'tokens', format: 'separated' },
      { type: 'expression', fields: [{ name: 'size', expression: 'size(words)' }], encoding: { name: 'numeric' } },
    ].map((group) => featureTypes.schema.parse(group));
    const format = createRowFormat({ tasks: TASKS.slice(0, 1), groups });
    const source = await openSource(paths, dataColumns(format));
    const reading: Reading = { policy: countPolicy(), cache: { folder: join(folder, 'cache') } };
    const dataset = await source.dataset(encodedFormat(format, await source.fit(format, reading)), reading);
    const bags: (readonly number[])[] = [];
    for await (const { batch } of dataset.batches(4)) bags.push([...column(batch, 'words', 'list').ids.subarray(0, 6)]);
    // y is more frequent than x.
    expect(bags).toEqual([[2, 1, 1, 2, 1, 1]]);
  });

  it('let a run read only a new file, bitwise identical to a full read for any number of threads', async () => {
    const [data, cache] = [scratchFolder(), scratchFolder()];
    const format = formatOf({ negatives: 0.5 });
    const days = ['a.csv', 'b.csv', 'c.csv', 'd.csv'].map((name) => join(data, name));
    writeFiles(data, { 'a.csv': rowsOf(0, 40), 'b.csv': rowsOf(40, 41), 'c.csv': rowsOf(41, 90) });
    const first = await run(days.slice(0, 3), cache, format);
    expect(first.touched).toEqual(['a.csv', 'b.csv', 'c.csv']);
    expect((await run(days.slice(0, 3), cache, format)).touched).toEqual([]);
    writeFiles(data, { 'd.csv': rowsOf(500, 560) });
    const more = await run(days, cache, format);
    expect(more.touched).toEqual(['d.csv']);
    // The new file changes the vocabulary, scales and medians.
    expect(more.fitted).not.toEqual(first.fitted);
    for (const threads of [1, 3]) {
      const { fitted, rejected, shards } = await fromFiles(days, format, threads);
      expect([more.fitted, more.rejected]).toEqual([fitted, rejected]);
      expect(more.shards).toEqual(shards);
    }
    const cold = await run(days, scratchFolder(), format);
    expect({ ...more, touched: [] }).toEqual({ ...cold, touched: [] });
    // Fewer or reordered files require no read.
    expect((await run([days[3]!, days[1]!], cache, format)).touched).toEqual([]);
  });

  it('are reused if a validation file becomes a training file', async () => {
    const [data, cache] = [scratchFolder(), { folder: scratchFolder() }];
    writeFiles(data, {
      '1.csv': rowsOf(0, 20),
      '2.csv': rowsOf(20, 40),
      '3.csv': rowsOf(40, 60),
      '4.csv': rowsOf(60, 80),
    });
    const format = formatOf();
    const runUntil = async (day: number): Promise<readonly string[]> => {
      touched.length = 0;
      const train = Array.from({ length: day - 1 }, (_, i) => join(data, `${i + 1}.csv`));
      const reading = { policy: countPolicy(), cache };
      const sources = await openData(dataOptions.parse({ train, valid: join(data, `${day}.csv`) }), format);
      const encoded = encodedFormat(format, await sources.train.fit(format, reading));
      await sources.train.dataset(encoded, reading);
      await sources.valid!.dataset(encoded, reading);
      return [...new Set(touched)];
    };
    expect(await runUntil(3)).toEqual(['1.csv', '2.csv', '3.csv']);
    expect(await runUntil(4)).toEqual(['4.csv']);
  });

  it('reject vectors of another length like the file, for any number of threads', async () => {
    const [data, cache] = [scratchFolder(), scratchFolder()];
    const format = formatOf();
    const look = (values: string, i: number): Row => rowOf(i).map((cell, c) => (COLUMNS[c] === 'look' ? values : cell));
    const odd = Array.from({ length: 60 }, (_, i) => (i % 3 === 2 ? look(i % 2 === 0 ? '1|2|3' : '7', i) : rowOf(i)));
    // The first row has another length and an invalid label.
    const first = ['2', ...look('1|2|3', 1).slice(1)];
    writeFiles(data, { 'a.csv': [first, ...odd], 'b.csv': [look('1|2|3', 90), ...rowsOf(91, 100)] });
    const paths = ['a.csv', 'b.csv'].map((name) => join(data, name));
    const { fitted, rejected, shards, rows } = await run(paths, cache, format);
    for (const threads of [1, 3])
      expect({ fitted, rejected, shards, rows, leftOut: new Map() }).toEqual(await fromFiles(paths, format, threads));
    expect(JSON.stringify(fitted)).toContain('"look":{"length":2');
  });

  it('store the booleans of JSON labels with numeric null values, so that the file is not read again', async () => {
    const [data, cache] = [scratchFolder(), scratchFolder()];
    const paths = ['a.jsonl', 'b.jsonl', 'c.jsonl'].map((name) => join(data, name));
    for (const path of paths)
      writeFileSync(path, ['true', 'false', '1', '-1'].map((click) => `{"click":${click},"city":"x"}\n`).join(''));
    const format = createRowFormat({
      tasks: [{ name: 'ctr', ...taskOptions.parse({ label: 'click', onMissing: 'mask' }) }],
      groups: [featureTypes.schema.parse({ type: 'categorical', fields: ['city'], encoding: 'tokens' })],
      cells: { nullValues: [-1] },
    });
    await run(paths.slice(0, 2), cache, format);
    const more = await run(paths, cache, format);
    expect([more.touched, more.rejected]).toEqual([['c.jsonl'], 0]);
    expect(more.rows[0]).toEqual([
      ['click', [1, 0, 1, 0, 1]],
      ['tasks.ctr.known', [1, 1, 1, 0, 1]],
    ]);
  });

  it('are stored again if the entry is of an earlier version, which kept null items in the maximum', async () => {
    const [data, cache] = [scratchFolder(), scratchFolder()];
    writeFiles(data, { 'a.csv': rowsOf(0, 20), 'b.csv': rowsOf(20, 40) });
    const paths = ['a.csv', 'b.csv'].map((name) => join(data, name));
    const groups = [{ type: 'bag', fields: ['seen'], encoding: 'tokens', maxItems: 2, nullValues: [3] }];
    const format = formatOf({ groups: groups.map((group) => featureTypes.schema.parse(group)) });
    const first = await run(paths, cache, format);
    for (const name of readdirSync(cache).filter((each) => !each.startsWith('.'))) {
      const entry = join(cache, name, ENTRY);
      writeFileSync(entry, readFileSync(entry, 'utf8').replace(`"version": ${VERSION}`, `"version": ${VERSION - 1}`));
    }
    rmSync(join(cache, '.index.jsonl'), { force: true });
    // Folders of earlier versions have other names.
    expect({ ...(await run(paths, cache, format)), shards: first.shards }).toEqual(first);
  });

  it('include the keys of grouped losses', async () => {
    const [data, cache] = [scratchFolder(), scratchFolder()];
    const paths = ['a.csv', 'b.csv'].map((name) => join(data, name));
    writeFiles(data, { 'a.csv': rowsOf(0, 20), 'b.csv': rowsOf(20, 40) });
    const format = createRowFormat({ ...formatOf().spec, lossKeys: ['city', 'user'] });
    const { shards, rows } = await run(paths, cache, format);
    const expected = await fromFiles(paths, format);
    expect([shards, rows]).toEqual([expected.shards, expected.rows]);
    writeFiles(data, { 'c.csv': rowsOf(70, 80) });
    expect((await run([...paths, join(data, 'c.csv')], cache, format)).touched).toEqual(['c.csv']);
  });

  it('are read again only for a changed file', async () => {
    const [data, cache] = [scratchFolder(), scratchFolder()];
    const paths = ['a.csv', 'b.csv', 'c.csv'].map((name) => join(data, name));
    writeFiles(data, { 'a.csv': rowsOf(0, 20), 'b.csv': rowsOf(20, 40), 'c.csv': rowsOf(40, 60) });
    await run(paths, cache, formatOf());
    writeFiles(data, { 'b.csv': rowsOf(100, 125) });
    const { fitted, rows, touched: read } = await run(paths, cache, formatOf());
    expect(read).toEqual(['b.csv']);
    const expected = await fromFiles(paths, formatOf());
    expect([fitted, rows]).toEqual([expected.fitted, expected.rows]);
  });

  it('are complete or absent after an abort, and resume after the last finished file', async () => {
    const [data, cache] = [scratchFolder(), scratchFolder()];
    const paths = ['a.csv', 'b.csv'].map((name) => join(data, name));
    writeFiles(data, { 'a.csv': rowsOf(0, 20), 'b.csv': rowsOf(20, 40) });
    const controller = new AbortController();
    const onProgress: Reading['onProgress'] = ({ what }) => {
      if (what.endsWith('b.csv')) controller.abort(new Error('stop'));
    };
    await expect(run(paths, cache, formatOf(), { onProgress, signal: controller.signal })).rejects.toThrow('stop');
    expect(entriesIn(cache).map((name) => name.replace(/-.*/, ''))).toEqual(['a.csv.local']);
    const { fitted, touched: read } = await run(paths, cache, formatOf());
    expect(read).toEqual(['b.csv']);
    expect(fitted).toEqual((await fromFiles(paths, formatOf())).fitted);
  });

  it('report the invalid rows of many small files in the order of the files', async () => {
    const [data, cache] = [scratchFolder(), scratchFolder()];
    const names = Array.from({ length: 40 }, (_, i) => `${String(i).padStart(2, '0')}.csv`);
    const groups = [{ type: 'numeric', fields: ['price'], scaling: 'standard' }].map((group) =>
      featureTypes.schema.parse(group),
    );
    // Later files are shorter, and so are read first.
    for (const [i, name] of names.entries())
      writeFiles(data, {
        [name]: [rowOf(2).map((cell, c) => (COLUMNS[c] === 'price' ? 'x' : cell)), ...rowsOf(i, 60)],
      });
    const paths = names.map((name) => join(data, name));
    const found: string[] = [];
    const policy: RejectPolicy = { count: 0, reject: ({ path }) => void found.push(path) };
    await run(paths, cache, formatOf({ groups }), { policy });
    expect([...new Set(found)]).toEqual(paths);
    await expect(run(paths, scratchFolder(), formatOf({ groups }), { policy: refuseBadRows })).rejects.toThrow(
      /00\.csv:2: column "price"/,
    );
  });

  it('fall back to the files with a located error if vector lengths differ', async () => {
    const [data, cache] = [scratchFolder(), scratchFolder()];
    const groups = GROUPS.filter(({ type }) => type === 'vector');
    const withLook = (i: number, look: string): Row => rowOf(i).map((cell, c) => (COLUMNS[c] === 'look' ? look : cell));
    writeFiles(data, {
      'a.csv': [withLook(0, '1|2')],
      'b.csv': [withLook(1, '1|2|3'), withLook(2, '3|4|5')],
      'c.csv': [withLook(3, '5|6'), withLook(4, '7')],
    });
    for (const [names, message] of [
      [['a.csv', 'b.csv'], /b\.csv:2: column "look": expected 2 numbers/],
      [['a.csv', 'c.csv'], /c\.csv:3: column "look": expected 2 numbers/],
    ] as const) {
      const paths = names.map((name) => join(data, name));
      await expect(run(paths, cache, formatOf({ groups }), { policy: refuseBadRows })).rejects.toThrow(message);
      const skipped = await run(paths, cache, formatOf({ groups }));
      const { fitted, rejected, shards } = await fromFiles(paths, formatOf({ groups }));
      expect([skipped.fitted, skipped.rejected, skipped.shards]).toEqual([fitted, rejected, shards]);
    }
  });

  it('fall back to the files if a row that sampling may exclude differs', async () => {
    const good = (i: number): Row =>
      rowOf(2 * i)
        .with(10, '1|2')
        .with(0, '0');
    const files = {
      'a.csv': [...Array.from({ length: 40 }, (_, i) => good(i)), rowOf(1).with(10, '3|4')],
      'b.csv': [...Array.from({ length: 60 }, (_, i) => good(i).with(10, i === 7 ? '5' : '')), rowOf(3).with(10, '')],
    };
    const [data, cache] = [scratchFolder(), scratchFolder()];
    writeFiles(data, files);
    const paths = Object.keys(files).map((name) => join(data, name));
    // Seeds that exclude the row, and seeds that do not.
    for (const seed of [1, 2, 3, 4]) {
      const format = formatOf({ negatives: 0.3, seed });
      const [found, expected] = [await run(paths, cache, format), await fromFiles(paths, format)];
      expect([found.rejected, found.leftOut, found.rows]).toEqual([expected.rejected, expected.leftOut, expected.rows]);
      expect(found.rejected).toBeGreaterThan(0);
    }
  });

  it('equal a full read, bitwise, for any files in any order', async () => {
    const cell = (good: readonly string[], bad: readonly string[]) =>
      fc.oneof({ weight: 30, arbitrary: fc.constantFrom(...good) }, { weight: 1, arbitrary: fc.constantFrom(...bad) });
    const row = fc.tuple(
      cell(['0', '1', '1.0'], ['2', '']),
      cell(['', '0', '3', '4'], ['', 'x']),
      cell(['0', '7', '2147483647', '007'], ['', '-1']),
      cell(['a', 'b', 'ü', '"q,x"', '東京 😀', ''], ['']),
      cell(['gold', ' gold', '?', '', '"?"'], ['\u001f']),
      cell(['1', '2', '3'], ['x', '', '007']),
      cell(['1:2|2', '', '3|3|1:0.5', '[1, 2]', '"[[""a"", 0.5]]"'], ['|', '1:x']),
      cell(['w', 'w|x:2', ''], [':']),
      cell(['0', '-0', '0.1', '1e-3', '3', ''], ['x', '1e39']),
      cell(['-1', '-1.0', '0.25', '7', ''], ['-2']),
      cell(['1|2', '0.1|1e-45', '"[3, 4]"', ''], ['1', 'x|y']),
      cell(['2026-11-01', '20261102', ''], ['monday']),
    );
    const log = fc.array(row, { maxLength: 9 });
    const runs = fc.array(fc.shuffledSubarray(['a.csv', 'b.csv', 'c.csv', 'ds=1/d.csv'], { minLength: 2 }), {
      minLength: 1,
      maxLength: 3,
    });
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(log, log, log, log),
        runs,
        fc.constantFrom(undefined, 0.4),
        async ([a, b, c, d], orders, negatives) => {
          const [data, cache] = [scratchFolder(), scratchFolder()];
          writeFiles(data, { 'a.csv': a, 'b.csv': b, 'c.csv': c, 'ds=1/d.csv': d });
          const format = formatOf(negatives === undefined ? {} : { negatives });
          for (const names of orders) {
            const paths = names.map((name) => join(data, name));
            const found = await run(paths, cache, format).catch(String);
            const expected = await fromFiles(paths, format).catch(String);
            if (typeof found === 'string' || typeof expected === 'string') expect(found).toBe(expected);
            else
              expect([found.fitted, found.rejected, found.leftOut, found.rows]).toEqual([
                expected.fitted,
                expected.rejected,
                expected.leftOut,
                expected.rows,
              ]);
          }
        },
      ),
      { numRuns: 12 },
    );
  }, 60_000);
});
