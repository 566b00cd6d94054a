/** @module-tag long */
import { mapsOf } from '../support/batches.js';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { refuseBadRows, skipBadRows } from '../../src/data/rows/rejects.js';
import { dataColumns, encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { findFiles } from '../../src/data/sources/find-files.js';
import { openSource } from '../../src/data/sources/open-source.js';
import type { Reading } from '../../src/data/sources/source.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { toFittedKey } from '../../src/features/fitted.js';
import { taskOptions } from '../../src/core/tasks.js';
import { scratchFolder } from '../support/scratch.js';

// Sources of several files: lists, globs, directories and partitions.

const tasks = [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }];
const words = { type: 'categorical', fields: ['word'], encoding: { name: 'tokens' } };
const price = { type: 'numeric', fields: ['price'], scaling: 'standard' };
const day = { type: 'categorical', fields: ['ds'], encoding: { name: 'tokens' } };
const cross = { type: 'cross', fields: [['ds', 'word', 'price']], buckets: 1000 };

/** Writes files by name to a new directory. */
function written(files: Readonly<Record<string, string | Uint8Array>>): string {
  const folder = join(scratchFolder(), 'data');
  mkdirSync(folder);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

/** Reads a source like a run does; returns the fit, all values of all rows in order, and the progress messages. */
async function read(
  paths: string | readonly string[],
  groups: readonly object[] = [words, price],
  reading: Partial<Reading> = {},
) {
  const told: string[] = [];
  const format = createRowFormat({ tasks, groups: groups.map((group) => featureTypes.schema.parse(group)) });
  const all: Reading = {
    policy: refuseBadRows,
    onProgress: ({ what }) => {
      if (told.at(-1) !== what) told.push(what);
    },
    ...reading,
  };
  const source = await openSource(paths, dataColumns(format));
  const fitted = await source.fit(format, all);
  const dataset = await source.dataset(encodedFormat(format, fitted), all);
  const rows: unknown[] = [];
  for await (const { batch } of dataset.batches(7)) {
    for (let r = 0; r < batch.rows; r++)
      rows.push(
        Object.fromEntries(
          [...mapsOf(batch).ids, ...mapsOf(batch).numbers, ...mapsOf(batch).labels].map(([name, data]) => [
            name,
            data[r],
          ]),
        ),
      );
  }
  return {
    fitted: toFittedKey(fitted),
    rows,
    told,
    leftOut: dataset.leftOut,
    fingerprint: await source.fingerprint(all),
    columns: source.columns,
    path: source.path,
  };
}

/** Replaces a file with a link. */
function link(target: string, path: string): void {
  rmSync(path, { force: true });
  symlinkSync(target, path);
}

const rowOf = (i: number): readonly [string, string, string] => [String(i % 2), `w${(i * 7) % 11}`, String(i / 8)];
const csvOf = (begin: number, end: number): string =>
  `click,word,price\n${Array.from({ length: end - begin }, (_, i) => `${rowOf(begin + i).join(',')}\n`).join('')}`;

describe('source', () => {
  it('rejects ids that leave no table row for missing values before encoding', async () => {
    const folder = written({ 'a.csv': 'click,user\n1,2147483647\n0,\n' });
    const user = { type: 'categorical', fields: ['user'] };
    await expect(read(join(folder, 'a.csv'), [{ ...user, fillMissing: 'token' }])).rejects.toThrow(
      /a\.csv: field 'user': its ids and missing-value token require 2147483649 table rows, but the maximum is 2147483648; set encoding: \{ name: tokens \}/,
    );
    expect(readdirSync(join(folder, '.mtl')).filter((name) => name.includes('.rows-'))).toEqual([]);
    expect((await read(join(folder, 'a.csv'), [{ ...user, fillMissing: 'unknown' }])).rows).toEqual([
      { click: 1, user: 2147483647 },
      { click: 0, user: 0 },
    ]);
  });
});

describe('source of several files', () => {
  it('has the rows of all files in list order, fitted as one', async () => {
    const folder = written({
      'all.csv': csvOf(0, 60),
      'b.csv': csvOf(0, 20),
      'a.csv': csvOf(20, 21),
      'c.csv.gz': gzipSync(csvOf(21, 60)),
    });
    const { fitted, rows } = await read(join(folder, 'all.csv'));
    const several = await read(['b.csv', 'a.csv', 'c.csv.gz'].map((name) => join(folder, name)));
    expect(several.fitted).toEqual(fitted);
    expect(several.rows).toEqual(rows);
    expect(several.path).toBe(folder);
  });

  it.each([
    ['a directory', ''],
    ['a glob', '/part-*.csv'],
    ['a glob over directories', '/../*/part-[0-9]*.csv'],
  ])('may be %s, read in path order', async (_, rest) => {
    const folder = join(
      written({
        'logs/part-2.csv': csvOf(5, 9),
        'logs/part-10.csv': csvOf(0, 5),
        'logs/_SUCCESS': '',
        'logs/.part-2.csv.crc': 'x',
      }),
      'logs',
    );
    const { rows } = await read(`${folder}${rest}`);
    expect(rows).toEqual((await read(join(written({ 'all.csv': csvOf(0, 9) }), 'all.csv'))).rows);
  });

  it('accepts any column order, and Parquet next to CSV', async () => {
    const rows = Array.from({ length: 9 }, (_, i) => rowOf(i));
    const column = (c: number) => rows.map((row) => row[c]!);
    const parquet = (from: number) =>
      new Uint8Array(
        parquetWriteBuffer({
          columnData: [2, 0, 1].map((c) => ({
            name: ['click', 'word', 'price'][c]!,
            data: c === 1 ? column(c).slice(from) : column(c).slice(from).map(Number),
            type: c === 1 ? ('STRING' as const) : ('DOUBLE' as const),
          })),
        }),
      );
    const expected = (await read(join(written({ 'all.csv': csvOf(0, 9) }), 'all.csv'))).rows;
    const turned = `price,more,word,click\n${rows
      .slice(4)
      .map(([click, word, number]) => `${number},x,${word},${click}\n`)
      .join('')}`;
    expect((await read(written({ 'a.csv': csvOf(0, 4), 'b.csv': turned }))).rows).toEqual(expected);
    const folder = written({ 'a.csv': csvOf(0, 4), 'b.parquet': parquet(4) });
    await expect(read(folder)).rejects.toThrow(/b\.parquet: is Parquet, but .*a\.csv is CSV; use files of one format/);
    expect((await read([join(folder, 'b.parquet')])).rows).toHaveLength(5);
  });

  it('reads partition columns from directory names', async () => {
    const cellsOf = (ds: string, begin: number, end: number): string =>
      csvOf(begin, end)
        .split('\n')
        .slice(1, -1)
        .map((line) => `${line},${ds}\n`)
        .join('');
    const one = written({
      'all.csv': `click,word,price,ds\n${cellsOf('2026-11-01', 0, 4)}${cellsOf('', 4, 7)}${cellsOf('a:b', 7, 9)}`,
    });
    const folder = written({
      'ds=2026-11-01/p.csv': csvOf(0, 4),
      'ds=__HIVE_DEFAULT_PARTITION__/p.csv': csvOf(4, 7),
      'ds=a%3Ab/p.csv': csvOf(7, 9),
    });
    const groups = [words, price, day, cross];
    const expected = await read(join(one, 'all.csv'), groups);
    for (const paths of [folder, `${folder}/**/*.csv`, `${folder}/ds=*`]) {
      const found = await read(paths, groups);
      expect(found.fitted).toEqual(expected.fitted);
      expect(found.rows).toEqual(expected.rows);
      expect(found.columns).toEqual(['click', 'word', 'price', 'ds']);
    }
  });

  it('accepts a partition column that is also in the file if both are equal', async () => {
    const text = 'click,word,price,ds\n1,a,1,x\n0,b,2,x\n';
    expect((await read(written({ 'ds=x/p.csv': text }), [words, day])).rows).toHaveLength(2);
    await expect(read(written({ 'ds=x/p.csv': text.replace('2,x', '2,y') }), [words, day])).rejects.toThrow(
      /p\.csv:3: column "ds": expected "x", as in the directory name, found "y"; rename the directory/,
    );
    // A column that is not used is not compared.
    expect((await read(written({ 'ds=y/p.csv': text }), [words])).rows).toHaveLength(2);
  });

  it('is cached per file: a new day reads one file if the fit is unchanged', async () => {
    const ids = { type: 'categorical', fields: ['word'], encoding: { name: 'hash', buckets: 50 } };
    const folder = written({ 'ds=1/p.csv': csvOf(0, 20), 'ds=2/p.csv': csvOf(20, 40) });
    const first = await read(folder, [ids]);
    expect(first.told.map((what) => what.replace(folder, ''))).toEqual([
      'encoding /ds=1/p.csv',
      'encoding /ds=2/p.csv',
    ]);
    expect((await read(folder, [ids])).told).toEqual([]);
    mkdirSync(join(folder, 'ds=3'));
    writeFileSync(join(folder, 'ds=3/p.csv'), csvOf(40, 61));
    const more = await read(folder, [ids]);
    expect(more.told.map((what) => what.replace(folder, ''))).toEqual(['encoding /ds=3/p.csv']);
    expect(more.rows).toEqual((await read(join(written({ 'all.csv': csvOf(0, 61) }), 'all.csv'), [ids])).rows);
    // The fit depends on the whole training set.
    const learned = await read(folder);
    expect(learned.told.filter((what) => what.startsWith('learning'))).toHaveLength(3);
    expect((await read(folder)).told).toEqual([]);
    expect(readdirSync(join(folder, '..', '.mtl')).length).toBeGreaterThan(0);
  });

  it('accepts files without rows, but not only such files', async () => {
    expect(
      (await read(written({ 'a.csv': csvOf(0, 0), 'b.csv': csvOf(0, 3), 'c.csv': csvOf(0, 0) }))).rows,
    ).toHaveLength(3);
    await expect(read(written({ 'a.csv': csvOf(0, 0), 'b.csv': csvOf(0, 0) }))).rejects.toThrow(
      /a\.csv and 1 more: expected at least one usable row after the header/,
    );
  });

  it('reports invalid rows with file and line, also from the cache', async () => {
    const folder = written({ 'a.csv': csvOf(0, 3), 'b.csv': 'price,click,word\n1,1,a\nx,0,b\n2,2,c\n3,0,d\n' });
    for (let time = 0; time < 2; time++) {
      const policy = skipBadRows(join(folder, `rejects-${time}`), 10);
      expect((await read([`${folder}/a.csv`, `${folder}/b.csv`], [words, price], { policy })).rows).toHaveLength(5);
      expect(policy.count).toBe(2);
    }
    await expect(read(`${folder}/*.csv`)).rejects.toThrow(/b\.csv:3: column "price"/);
  });

  it.each<[string, Readonly<Record<string, string>>, (folder: string) => string | string[], RegExp]>([
    [
      'a column missing in one file',
      { 'a.csv': csvOf(0, 3), 'b.csv': 'click,word\n1,a\n', 'c.csv': 'click,price\n1,2\n' },
      (folder) => folder,
      /b\.csv:1: column "price": is used by the config[^]*c\.csv:1: column "word"/,
    ],
    [
      'a glob without a match',
      { 'a.csv': csvOf(0, 3) },
      (folder) => `${folder}/*.parquet`,
      /\*\.parquet: matches no file; the directory .* contains "a\.csv"/,
    ],
    [
      'a broken link, by a glob',
      { 'a.csv': csvOf(0, 3) },
      (folder) => (link('gone.csv', `${folder}/b.csv`), `${folder}/*.csv`),
      /b\.csv: is a link to "gone\.csv", which does not exist; restore that file, or remove the link/,
    ],
    [
      'a link to itself, by a glob',
      { 'a.csv': csvOf(0, 3) },
      (folder) => (link('b.csv', `${folder}/b.csv`), `${folder}/*.csv`),
      /b\.csv: is a link to "b\.csv", which does not exist/,
    ],
    [
      'a broken link, in a directory',
      { 'a.csv': csvOf(0, 3) },
      (folder) => (link('gone.csv', `${folder}/b.csv`), folder),
      /b\.csv: is a link to "gone\.csv", which does not exist/,
    ],
    [
      'a directory next to files, by a glob',
      { 'a.csv': csvOf(0, 3), 'b.csv/a.csv': csvOf(3, 6) },
      (folder) => `${folder}/*.csv`,
      /b\.csv: is a directory, but ".*\*\.csv" also matches files; rename it, or match its files, for example with ".*b\.csv\/\*"/,
    ],
    [
      'a link to a directory next to files, by a glob',
      { 'a.csv': csvOf(0, 3), 'days/a.csv': csvOf(3, 6) },
      (folder) => (link('days', `${folder}/b.csv`), `${folder}/*.csv`),
      /b\.csv: is a directory, but /,
    ],
    [
      'a directory without a match, by a recursive glob',
      { 'x/a.csv': csvOf(0, 3), 'x/b.csv/.hidden': '' },
      (folder) => `${folder}/**/*.csv`,
      /b\.csv: is a directory, but /,
    ],
    [
      'a partition next to a file, by a glob',
      { 'ds=1/a.csv': csvOf(0, 3), 'ds=2.csv': csvOf(3, 6) },
      (folder) => `${folder}/ds=*`,
      /ds=1: is a directory, but /,
    ],
    [
      'a pipe, by a glob',
      { 'a.csv': csvOf(0, 3) },
      (folder) => (
        rmSync(`${folder}/b.csv`, { force: true }),
        execFileSync('mkfifo', [`${folder}/b.csv`]),
        `${folder}/*.csv`
      ),
      /b\.csv: is a pipe/,
    ],
    [
      'a glob in a missing directory',
      {},
      (folder) => `${folder}/logs/*.parquet`,
      /matches no file; the directory .*logs does not exist/,
    ],
    [
      'a duplicate file',
      { 'a.csv': csvOf(0, 3) },
      (folder) => [`${folder}/a.csv`, `${folder}/*.csv`],
      /a\.csv: is listed twice; list it once/,
    ],
    [
      'a missing file',
      { 'a.csv': csvOf(0, 3) },
      (folder) => [`${folder}/a.csv`, `${folder}/b.csv`],
      /b\.csv: no such file/,
    ],
    [
      'an unsupported file in a directory',
      { 'a.csv': csvOf(0, 3), 'notes.md': 'x' },
      (folder) => folder,
      /notes\.md: is in the data directory .*glob/,
    ],
    [
      'files next to partitions',
      { 'a.csv': csvOf(0, 3), 'ds=1/a.csv': csvOf(0, 3) },
      (folder) => folder,
      /ds=1: is a partition in the directory .*separate files/,
    ],
    [
      'an invalid partition value',
      { 'price=x/a.csv': 'click,word\n1,a\n' },
      (folder) => folder,
      /a\.csv:2: expected a decimal number in column "price", which the directory name sets to "x"/,
    ],
    [
      'a link to another listed file',
      { 'a.csv': csvOf(0, 3) },
      (folder) => (link(`${folder}/a.csv`, `${folder}/b.csv`), folder),
      /b\.csv: is the same file as .*a\.csv/,
    ],
  ])('rejects %s', async (_, files, paths, message) => {
    const folder = written(files);
    await expect(read(paths(folder))).rejects.toThrow(message);
    await expect(read(paths(folder))).rejects.toMatchObject({ exitCode: 3 });
  });

  it('has the same rows in the same order for any partition of a log into files and columns', async () => {
    const cell = fc.constantFrom('a', 'b', '"q,x"', 'ü', '', 'w 1', '"say ""hi"""');
    const row = fc.record({
      click: fc.constantFrom('0', '1'),
      word: cell,
      price: fc.constantFrom('0', '1.5', '-2', '1e3', '007'),
      ds: fc.constantFrom('2026-11-01', '2026-11-02', 'x y'),
    });
    const file = fc.record({
      rows: fc.array(row, { maxLength: 6 }),
      columns: fc.shuffledSubarray(['click', 'word', 'price', 'ds', 'more'], { minLength: 5 }),
      isZipped: fc.boolean(),
      end: fc.constantFrom('\n', '\r\n'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(file, { minLength: 1, maxLength: 5 }), fc.boolean(), async (files, isPartitioned) => {
        const all = files.flatMap(({ rows }) => rows);
        fc.pre(all.length > 0);
        const textOf = (rows: typeof all, columns: readonly string[], end: string): string =>
          [columns, ...rows.map((each) => columns.map((name) => ({ ...each, more: 'm' })[name as 'word']))]
            .map((cells) => cells.join(',') + end)
            .join('');
        const contents: Record<string, string | Uint8Array> = {};
        const inOrder: (readonly [string, typeof all])[] = [];
        for (const [i, { rows, columns, isZipped, end }] of files.entries()) {
          for (const ds of isPartitioned ? new Set(rows.map((each) => each.ds)) : [undefined]) {
            const own = rows.filter((each) => ds === undefined || each.ds === ds);
            const text = textOf(
              own,
              columns.filter((name) => ds === undefined || name !== 'ds'),
              end,
            );
            const partition = ds === undefined ? '' : `ds=${encodeURIComponent(ds)}/`;
            const name = `log/${partition}part-${i}.csv${isZipped ? '.gz' : ''}`;
            contents[name] = isZipped ? gzipSync(text) : text;
            inOrder.push([name, own]);
          }
        }
        const sorted = inOrder.sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, rows]) => rows);
        const groups = [words, price, day, cross];
        const expected = await read(
          join(written({ 'one.csv': textOf(sorted, ['click', 'word', 'price', 'ds'], '\n') }), 'one.csv'),
          groups,
        );
        const folder = written(contents);
        for (const paths of [join(folder, 'log'), `${folder}/log/**/part-*`]) {
          const found = await read(paths, groups, { cache: { folder: join(folder, 'cache') } });
          expect([found.fitted, found.rows]).toEqual([expected.fitted, expected.rows]);
        }
      }),
      { numRuns: 40 },
    );
  }, 60_000);

  it('may be a recursive glob, with the partition directories of each match', () => {
    const folder = written({ 'x/a.csv': csvOf(0, 3), 'x/y/b.csv': csvOf(3, 6) });
    symlinkSync('x', join(folder, 'z'));
    const paths = (pattern: string): string[] =>
      findFiles(join(folder, pattern)).map(({ path }) => path.slice(folder.length + 1));
    expect(paths('x/**')).toEqual(['x/a.csv', 'x/y/b.csv']);
    expect(paths('x/**/*')).toEqual(['x/a.csv', 'x/y/b.csv']);
    expect(paths('z/*.csv')).toEqual(['z/a.csv']);
    expect(paths('x/*/*')).toEqual(['x/y/b.csv']);
  });

  it('may be a path that looks like a glob', () => {
    const folder = written({ 'train[1].csv': csvOf(0, 3) });
    expect(findFiles(join(folder, 'train[1].csv')).map(({ path }) => path)).toEqual([join(folder, 'train[1].csv')]);
  });
});
