import { mapsOf } from '../support/batches.js';
/** @module-tag long */
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { Batch } from '../../src/core/batch.js';
import { taskOptions } from '../../src/core/tasks.js';
import type { SplitOptions } from '../../src/data/options.js';
import { makeKey } from '../../src/data/readers/fingerprint.js';
import type * as rowsOpened from '../../src/data/readers/open-rows.js';
import { refuseBadRows, skipBadRows } from '../../src/data/rows/rejects.js';
import {
  dataColumns,
  encodedFormat,
  createRowFormat,
  withFilter,
  trainedFormat,
} from '../../src/data/rows/row-format.js';
import { samplingOptions } from '../../src/data/sampling-options.js';
import { openSource } from '../../src/data/sources/open-source.js';
import type * as packing from '../../src/data/sources/pack-files.js';
import type { Reading } from '../../src/data/sources/source.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { toFittedKey } from '../../src/features/fitted.js';
import { entriesIn } from '../support/cached-csv.js';
import { scratchFolder } from '../support/scratch.js';

let isPacked = true;
vi.mock('../../src/data/sources/pack-files.js', async (original) => {
  const real = await original<typeof packing>();
  const packFiles: typeof real.packFiles = (files) => (isPacked ? real.packFiles(files) : files.map((file) => [file]));
  return { packFiles };
});

/** Paths of the files whose rows were read since the last reset. */
const touched: string[] = [];
vi.mock('../../src/data/readers/open-rows.js', async (original) => {
  const real = await original<typeof rowsOpened>();
  const openRows: typeof real.openRows = async (path, ...rest) => {
    const source = await real.openRows(path, ...rest);
    const { csv } = source;
    return { ...source, csv: { ...csv, pieces: (numKept) => (touched.push(path), csv.pieces(numKept)) } };
  };
  return { ...real, openRows };
});

/** Of two packs: the second begins with file 27. */
const FILES = 60;
const HEADER = 'click,buy,id,tags,price,look\n';
const nameOf = (file: number): string => `part-${String(file).padStart(4, '0')}.csv`;

/** One to four rows of a file; every tenth file has none, and some values require the parser. */
function textOf(file: number): string {
  if (file % 10 === 9) return HEADER;
  const row = (i: number): string => {
    const click = (file + i) % 3 === 0 ? 1 : 0;
    const price = file % 50 === 7 ? `"${file}"` : file / 8;
    return `${click},${click * (file % 2)},u${(file * 7 + i) % 40},a|b${file % 5},${price},${i}|${file}\n`;
  };
  return `${HEADER}${Array.from({ length: 1 + (file % 4) }, (_, i) => row(i)).join('')}`;
}

/** Writes a directory of many small files; returns its path. */
function writeFiles(pathOf: (file: number) => string = nameOf, change: Readonly<Record<number, string>> = {}): string {
  const folder = join(scratchFolder(), 'logs');
  for (let file = 0; file < FILES; file++) {
    const path = join(folder, pathOf(file));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, change[file] ?? textOf(file));
  }
  return folder;
}

const GROUPS = [
  { type: 'categorical', fields: ['id'], encoding: 'tokens' },
  { type: 'bag', fields: ['tags'], encoding: 'tokens' },
  { type: 'numeric', fields: ['price'], scaling: 'standard' },
  { type: 'vector', fields: ['look'], scaling: 'standard' },
];
const TASKS = [
  { name: 'ctr', ...taskOptions.parse({ label: 'click' }) },
  { name: 'cvr', ...taskOptions.parse({ label: 'buy', given: 'click' }) },
];

interface Options {
  readonly groups?: readonly object[];
  readonly sampling?: object;
  readonly split?: SplitOptions;
  readonly where?: { readonly column: string; readonly above: number };
}

/** Everything that a run uses of a source. */
async function readSource(
  paths: string | readonly string[],
  { groups = GROUPS, sampling, split, where }: Options = {},
  reading: Partial<Reading> = {},
): Promise<Readonly<Record<string, unknown>>> {
  touched.length = 0;
  const plain = createRowFormat({
    tasks: TASKS,
    groups: groups.map((group) => featureTypes.schema.parse(group)),
    sampling: sampling && samplingOptions.parse(sampling),
  });
  const all: Reading = { policy: refuseBadRows, ...reading };
  const source = await openSource(paths, [...dataColumns(plain), 'price']);
  const isFiltered = split !== undefined || where !== undefined;
  const format = isFiltered ? withFilter(plain, { where, ...(split && { split, part: 'train' }) }) : plain;
  const fitted = await source.fit(format, all);
  const dataset = await source.dataset(trainedFormat(encodedFormat(format, fitted)), all);
  // Rows of more than one window: shards are shuffled, too.
  const batches: unknown[] = [];
  for (const shuffle of [undefined, { seed: 1, epoch: 2, window: 60 }])
    for await (const { batch } of dataset.batches(20, shuffle)) batches.push(plainBatch(batch));
  const labels: unknown[] = [];
  for await (const own of dataset.labels())
    labels.push([...mapsOf(own).labels].map(([name, values]) => [name, [...values.subarray(0, own.rows)]]));
  const { rows, leftOut, idCounts, labelCounts } = dataset;
  const fingerprint = Object.entries(await source.fingerprint(all));
  return {
    ...{ fitted: makeKey(toFittedKey(fitted)), batches: makeKey(batches), labels: makeKey(labels.flat(2)) },
    ...{ rows, leftOut, idCounts, labelCounts, fingerprint, rejected: all.policy.count },
  };
}

/** Returns a batch as JSON. */
function plainBatch(batch: Batch): unknown {
  const { rows, ids, numbers, labels, vectors, bags } = mapsOf(batch);
  const data = (columns: ReadonlyMap<string, ArrayLike<number>>): unknown =>
    [...columns].map(([name, values]) => [name, Array.from(values)]);
  const looks = new Map([...vectors].map(([name, { data: values }]) => [name, values]));
  const items = [...bags].map(([name, bag]) => [
    name,
    Array.from({ length: rows }, (_, row) => {
      const [begin, end] = [bag.offsets[row], bag.offsets[row + 1]];
      return [Array.from(bag.ids.subarray(begin, end)), Array.from(bag.weights.subarray(begin, end))];
    }),
  ]);
  return [rows, data(ids), data(numbers), data(labels), data(looks), items];
}

/** Reads a source with packs, and without, each with a cache of its own. */
async function readBoth(
  paths: string | readonly string[],
  options: Options = {},
  reading: () => Partial<Reading> = () => ({}),
): Promise<readonly unknown[]> {
  const results: unknown[] = [];
  for (const packed of [true, false]) {
    isPacked = packed;
    const own = { ...reading(), cache: { folder: join(scratchFolder(), 'cache') } };
    results.push(await readSource(paths, options, own).catch((error: unknown) => String(error)));
    if (packed && existsSync(own.cache.folder)) expect(entriesIn(own.cache.folder).length).toBeLessThan(20);
  }
  isPacked = true;
  return results;
}

describe('packs of small files', () => {
  it.each<[string, Options]>([
    ['all rows', {}],
    ['sampled negatives', { sampling: { rate: 0.5, seed: 3 } }],
    ['a split by line', { split: { by: 'random', seed: 1, shares: { valid: 0.5 } } }],
    ['a condition', { where: { column: 'price', above: 9 } }],
    [
      'a format that fits nothing',
      { groups: [{ type: 'categorical', fields: ['id'], encoding: { name: 'hash', buckets: 9 } }] },
    ],
  ])('give the batches, fits and fingerprints of single files: %s', async (_, options) => {
    const [packed, single] = await readBoth(writeFiles(), options);
    expect(packed).toEqual(single);
    expect(packed).toHaveProperty('batches');
  });

  it('may contain files of several partitions', async () => {
    const folder = writeFiles(
      (file) => `ds=2026-11-${String(1 + Math.floor(file / 10)).padStart(2, '0')}/${nameOf(file)}`,
    );
    const groups = [...GROUPS, { type: 'categorical', fields: ['ds'], encoding: 'tokens' }];
    const [packed, single] = await readBoth(folder, { groups });
    expect(packed).toEqual(single);
    // The directory name is part of the rows.
    const before = await readSource(folder, { groups });
    renameSync(join(folder, 'ds=2026-11-01'), join(folder, 'ds=2026-10-01'));
    const after = await readSource(folder, { groups });
    expect(touched.length).toBeGreaterThan(0);
    expect(after['fitted']).not.toEqual(before['fitted']);
  });

  it('report an invalid row with its file and line, after the rows of the files before it', async () => {
    const folder = writeFiles(nameOf, { 20: textOf(20).replace(',u', ',"u'), 40: `${textOf(40)}7,0,u1,a,1,0|1\n` });
    const [packed, single] = await readBoth(folder);
    expect(packed).toEqual(single);
    expect(packed).toContain(`${join(folder, nameOf(20))}:2: `);
    const text = (policyPath: string): string => readFileSync(policyPath, 'utf8');
    writeFileSync(join(folder, nameOf(20)), `${textOf(20)}0,5,u1,a,1,0|1\n`);
    const paths: string[] = [];
    const skipping = () => {
      paths.push(join(scratchFolder(), 'rejects.csv'));
      return { policy: skipBadRows(paths.at(-1), 2) };
    };
    const [skipped, skippedSingle] = await readBoth(folder, {}, skipping);
    expect(skipped).toEqual(skippedSingle);
    expect(skipped).toMatchObject({ rejected: 2 });
    expect(text(paths[0]!)).toBe(text(paths[1]!));
    expect(
      text(paths[0]!)
        .split('\n')
        .map((line) => line.split(',').slice(0, 2)),
    ).toMatchObject([['file', 'line'], [join(folder, nameOf(20)), '3'], [join(folder, nameOf(40)), '3'], ['']]);
    // A limit counts the rows of all packs, also when they are cached.
    const limited = await readBoth(folder, {}, () => ({ policy: skipBadRows(undefined, 1) }));
    expect(limited[0]).toEqual(limited[1]);
    expect(limited[0]).toContain(`${join(folder, nameOf(40))}:3: `);
    const cache = { folder: join(scratchFolder(), 'cache') };
    await readSource(folder, {}, { cache, policy: skipBadRows(undefined, 2) });
    const again = readSource(folder, {}, { cache, policy: skipBadRows(undefined, 1) });
    expect(await again.catch((error: unknown) => String(error))).toBe(limited[0]);
    expect(touched).toEqual([]);
  });

  it('are read again only if one of their files changed', async () => {
    const folder = writeFiles();
    const first = await readSource(folder);
    expect(touched).toHaveLength(FILES);
    expect(await readSource(folder)).toEqual(first);
    expect(touched).toEqual([]);
    const changes: readonly (readonly [string, () => void])[] = [
      [nameOf(5), () => writeFileSync(join(folder, nameOf(5)), textOf(6))],
      ['part-0005b.csv', () => writeFileSync(join(folder, 'part-0005b.csv'), textOf(4))],
      [nameOf(6), () => rmSync(join(folder, nameOf(6)))],
    ];
    for (const [name, change] of changes) {
      change();
      const again = await readSource(folder);
      const names = touched.map((path) => basename(path));
      expect(names.length).toBeLessThan(FILES / 2);
      expect(names.includes(name)).toBe(name !== nameOf(6));
      const cache = { folder: join(scratchFolder(), 'cache') };
      expect(again).toEqual(await readSource(folder, {}, { cache }));
    }
  });

  it('are verified and found again when files were touched or moved', async () => {
    const folder = writeFiles();
    const first = await readSource(folder);
    const verified: string[] = [];
    const reading = { verifyData: true, onProgress: ({ what }: { what: string }) => void verified.push(what) };
    expect(await readSource(folder, {}, reading)).toEqual(first);
    expect(verified.filter((what) => what.startsWith('verifying')).length).toBeGreaterThanOrEqual(FILES);
    for (const name of readdirSync(folder)) writeFileSync(join(folder, name), readFileSync(join(folder, name)));
    expect(await readSource(folder)).toEqual(first);
    expect(touched).toEqual([]);
  });

  it('have the order of their files', async () => {
    const folder = writeFiles();
    const paths = readdirSync(folder)
      .sort()
      .map((name) => join(folder, name));
    const other = paths.with(5, paths[6]!).with(6, paths[5]!);
    const cache = { folder: join(scratchFolder(), 'cache') };
    const first = await readSource(paths, {}, { cache });
    const second = await readSource(other, {}, { cache });
    expect(second['batches']).not.toEqual(first['batches']);
    expect(second).toEqual(await readSource(other, {}, { cache: { folder: join(scratchFolder(), 'cache') } }));
    expect(await readSource(paths, {}, { cache })).toEqual(first);
  });
});
