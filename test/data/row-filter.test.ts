import { column } from '../../src/core/batch.js';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { dataOptions, splitOptions, type DataOptions, type Split } from '../../src/data/options.js';
import { refuseBadRows, skipBadRows, type RejectPolicy } from '../../src/data/rows/rejects.js';
import { filterColumns, needsLines } from '../../src/data/rows/row-filter.js';
import { encodedFormat, createRowFormat, withFilter } from '../../src/data/rows/row-format.js';
import { firstDataState } from '../../src/data/sources/data-state.js';
import { openData, openDatasets } from '../../src/data/sources/splits.js';
import { parseConfig } from '../../src/config/load.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { createTextTable } from '../../src/features/vocabulary/text-table.js';
import { textsFrom } from '../../src/features/vocabulary/string-pool.js';
import { taskOptions } from '../../src/core/tasks.js';
import { encodeFolder, filesIn } from '../support/encode-folder.js';
import { openAllColumns } from '../support/read-rows.js';
import { scratchFolder } from '../support/scratch.js';

// Tests which rows of a source are in which part, and which are excluded.

const format = createRowFormat({
  tasks: [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }],
  groups: [
    featureTypes.schema.parse({ type: 'numeric', fields: ['row'] }),
    featureTypes.schema.parse({ type: 'categorical', fields: ['user'], encoding: { name: 'tokens' } }),
  ],
});

/** Reads the row numbers of each part, the training fit and the warnings. */
async function parts(data: object, policy: RejectPolicy = refuseBadRows) {
  const told: string[] = [];
  const options: DataOptions = dataOptions.parse(data);
  const reading = { policy, onWarning: (text: string) => void told.push(text), cache: { folder: scratchFolder() } };
  const sources = await openData(options, format);
  const fitted = await sources.train.fit(format, reading);
  const datasets = await openDatasets(sources, encodedFormat(format, fitted), reading, firstDataState());
  const found: Partial<Record<Split, number[]>> = {};
  for (const split of ['train', 'valid', 'test'] as const) {
    const dataset = datasets[split];
    if (dataset === undefined) continue;
    found[split] = [];
    for await (const { batch } of dataset.batches(50))
      found[split].push(...column(batch, 'row', 'f32').data.subarray(0, batch.rows));
  }
  return {
    ...found,
    told,
    rows: (fitted['user'] as { readonly vocabulary: { readonly offsets: Uint32Array } }).vocabulary.offsets.length,
  };
}

const DAYS = ['2026-11-01', '2026-11-02', '2026-11-03', '2026-11-04'];
interface LogRow {
  readonly row: number;
  readonly user: string;
  readonly ds: string;
}
const log: readonly LogRow[] = Array.from({ length: 200 }, (_, row) => ({
  row,
  user: `u${(row * 37) % 23}`,
  ds: DAYS[Math.floor(row / 50)]!,
}));
const lineOf = ({ row, user, ds }: LogRow): string => `${row % 2},${row},${user},${ds}\n`;
const HEADER = 'click,row,user,ds\n';

function logFile(
  rows: readonly LogRow[] = log,
  change: (line: string, row: number) => string = (line) => line,
): string {
  const path = join(scratchFolder(), 'log.csv');
  writeFileSync(path, HEADER + rows.map((row, i) => change(lineOf(row), i)).join(''));
  return path;
}

const numbers = (isWanted: (row: LogRow) => boolean): number[] => log.filter(isWanted).map(({ row }) => row);

describe('split', () => {
  it('by date assigns a range of days to each part, the earlier days to train, and fits on train only', async () => {
    const split = {
      by: 'date',
      column: 'ds',
      valid: { from: '2026-11-03', to: '2026-11-03' },
      test: { from: '2026-11-04' },
    };
    const found = await parts({ source: logFile(), split });
    expect(found).toMatchObject({
      train: numbers(({ ds }) => ds < '2026-11-03'),
      valid: numbers(({ ds }) => ds === '2026-11-03'),
      test: numbers(({ ds }) => ds > '2026-11-03'),
      told: [],
    });
    // A token that first occurs on the last day is not in the vocabulary.
    const renamed = await parts({
      source: logFile(log, (line, i) => (i >= 100 ? line.replace(/u\d+/, `new${i}`) : line)),
      split,
    });
    expect(renamed.rows).toBe(found.rows);
  });

  it('by date accepts times, numbers and partitions, and reports rows in no part', async () => {
    const folder = join(scratchFolder(), 'log');
    for (const ds of DAYS) {
      mkdirSync(join(folder, `ds=${ds}`), { recursive: true });
      writeFileSync(
        join(folder, `ds=${ds}`, 'p.csv'),
        `click,row,user\n${log
          .filter((row) => row.ds === ds)
          .map((row) => lineOf(row).replace(/,[^,]*\n$/, '\n'))
          .join('')}`,
      );
    }
    const found = await parts({
      source: folder,
      split: { by: 'date', column: 'ds', train: { to: '2026-11-01' }, test: { from: '2026-11-03', to: '2026-11-03' } },
    });
    expect(found).toMatchObject({
      train: numbers(({ ds }) => ds === DAYS[0]),
      test: numbers(({ ds }) => ds === DAYS[2]),
    });
    expect(found.told).toEqual([
      'data.train: 100 of 150 rows are excluded: in no part of the split (100)',
      'data.test: 100 of 150 rows are excluded: in no part of the split (100)',
    ]);
    const byTime = await parts({
      source: logFile(log, (line, i) =>
        line.replace(/,[^,]*\n$/, `,2026-11-01T${String(Math.floor(i / 10)).padStart(2, '0')}:00:00Z\n`),
      ),
      split: { by: 'date', column: 'ds', valid: { from: '2026-11-01T18:00' } },
    });
    expect(byTime.valid).toEqual(numbers(({ row }) => row >= 180));
    expect(
      (
        await parts({
          source: logFile(),
          split: { by: 'date', column: 'row', valid: { from: 100, to: 149 }, test: { from: 150 } },
        })
      ).train,
    ).toEqual(numbers(({ row }) => row < 100));
  });

  it('by key assigns all rows of a user to one part', async () => {
    const split = { by: 'key', column: 'user', shares: { valid: 0.2, test: 0.2 } };
    const found = await parts({ source: logFile(), split });
    const usersOf = (rows: readonly number[] = []): string[] => [...new Set(rows.map((row) => log[row]!.user))];
    const [train, valid, test] = [usersOf(found.train), usersOf(found.valid), usersOf(found.test)];
    expect([...train, ...valid, ...test].sort()).toEqual(usersOf(log.map(({ row }) => row)).sort());
    expect([train.length, valid.length, test.length].every((count) => count > 0)).toBe(true);
    expect(found.train!.length + found.valid!.length + found.test!.length).toBe(200);
    const turned = await parts({ source: logFile([...log].reverse()), split });
    expect(turned.valid!.toReversed()).toEqual(found.valid);
    const other = await parts({ source: logFile(), split: { ...split, seed: 1 } });
    expect(usersOf(other.valid)).not.toEqual(valid);
  });

  it('by share assigns rows by position, approximately in the requested shares', async () => {
    const rows = Array.from({ length: 4000 }, (_, row) => ({ ...log[row % 200]!, row }));
    const split = { by: 'random', shares: { train: 0.5, valid: 0.25 }, seed: 3 };
    const found = await parts({ source: logFile(rows), split });
    expect(Math.abs(found.train!.length - 2000)).toBeLessThan(150);
    expect(Math.abs(found.valid!.length - 1000)).toBeLessThan(120);
    expect(found.train!.filter((row) => found.valid!.includes(row))).toEqual([]);
    // Quoted rows take the slow path of the reader and must give the same rows.
    expect((await parts({ source: logFile(rows, (line) => line.replace(/u\d+/, '"$&"')), split })).valid).toEqual(
      found.valid,
    );
    const encodedBy = async (threads: number): Promise<unknown> => {
      const wanted = encodedFormat(withFilter(format, { split: splitOptions.parse(split), part: 'valid' }), {
        user: { vocabulary: createTextTable(textsFrom(['u1'])) },
      });
      const source = await openAllColumns(logFile(rows), {}, 4096);
      return filesIn(await encodeFolder(source, wanted, refuseBadRows, { threads }));
    };
    expect(await encodedBy(3)).toEqual(await encodedBy(1));
    expect((await parts({ source: logFile(rows), split: { ...split, seed: 4 } })).valid).not.toEqual(found.valid);
  });

  it('of Parquet equals that of CSV, by date and by key', async () => {
    const path = join(scratchFolder(), 'log.parquet');
    writeFileSync(
      path,
      new Uint8Array(
        parquetWriteBuffer({
          columnData: [
            { name: 'click', data: log.map(({ row }) => row % 2), type: 'INT32' },
            { name: 'row', data: log.map(({ row }) => row), type: 'INT32' },
            { name: 'user', data: log.map(({ user }) => user), type: 'STRING' },
            { name: 'ds', data: log.map(({ ds }) => ds), type: 'STRING' },
          ],
        }),
      ),
    );
    for (const split of [
      { by: 'key', column: 'user', shares: { test: 0.3 } },
      { by: 'date', column: 'ds', valid: { from: '2026-11-04' } },
    ]) {
      expect(await parts({ source: path, split })).toEqual(await parts({ source: logFile(), split }));
    }
  });
});

describe('data.where', () => {
  it('selects the matching rows and reports the number of others', async () => {
    const path = logFile();
    const found = await parts({
      train: path,
      where: {
        all: [
          { column: 'ds', above: '2026-11-01' },
          { column: 'user', oneOf: ['u1', 'u2'] },
        ],
      },
    });
    const kept = numbers(({ ds, user }) => ds > '2026-11-01' && ['u1', 'u2'].includes(user));
    expect(found.train).toEqual(kept);
    expect(found.told).toEqual([
      `data.train: ${200 - kept.length} of 200 rows are excluded: excluded by data.where (${200 - kept.length})`,
    ]);
  });

  it('applies before other values are parsed, in plain and quoted rows', async () => {
    for (const quote of ['', '"']) {
      const path = logFile(log, (line, i) => (i % 3 === 0 ? `2,oops,${quote}skip${quote},\n` : line));
      const policy = skipBadRows(undefined, 0);
      const found = await parts({ train: path, where: { not: { column: 'user', equals: 'skip' } } }, policy);
      expect(found.train).toEqual(numbers(({ row }) => row % 3 !== 0));
      expect(policy.count).toBe(0);
    }
  });

  it('counts excluded rows per part and rejects an empty part', async () => {
    const found = await parts({
      source: logFile(),
      where: { column: 'row', below: 160 },
      split: { by: 'date', column: 'ds', test: { from: '2026-11-04' } },
    });
    expect(found.test).toEqual(numbers(({ row }) => row >= 150 && row < 160));
    expect(found.told).toEqual(['data.test: 40 of 50 rows are excluded: excluded by data.where (40)']);
    await expect(parts({ train: logFile(), where: { column: 'row', below: 0 } })).rejects.toThrow(
      /log\.csv: expected at least one row for train, found none; all are excluded: excluded by data\.where \(200\); check data\.where$/,
    );
    await expect(
      parts({ source: logFile(), split: { by: 'date', column: 'ds', test: { from: '2027-01-01' } } }),
    ).rejects.toThrow(/expected at least one row for test, found none; .*; check data\.split$/);
  });

  it('rejects a value that cannot be compared, with its location, and a missing column', async () => {
    await expect(parts({ train: logFile(), where: { column: 'user', above: 3 } })).rejects.toThrow(
      /log\.csv:2: expected a number.*found "u0" in column "user"/,
    );
    await expect(parts({ train: logFile(), where: { column: 'usr', equals: 'a' } })).rejects.toThrow(
      /log\.csv:1: column "usr": is used by the config.*did you mean 'user'/,
    );
  });
});

describe('data section', () => {
  const problemsOf = (data: object): string[] => {
    const config = {
      data,
      features: { a: { type: 'categorical', fields: ['user'] } },
      tasks: { ctr: { label: 'click' } },
      model: { name: 'shared-bottom' },
    };
    try {
      parseConfig(JSON.stringify(config), 'c.yaml');
    } catch (error) {
      return (error as Error).message.split('\n').filter((line) => line.includes('data'));
    }
    return [];
  };
  const dates = (rest: object): object => ({ source: 'log', split: { by: 'date', column: 'ds', ...rest } });

  it.each<[object, RegExp | undefined]>([
    [{ source: 'log', split: { by: 'key', column: 'user', shares: { valid: 0.1 } } }, undefined],
    [dates({ valid: { from: '2026-11-01', to: '2026-11-07' }, test: { from: '2026-11-08' } }), undefined],
    [{}, /data\.train: is missing; set it to a path or a list of paths, or set source and split/],
    [{ source: 'log' }, /data\.split: is required with source; add it/],
    [
      { train: 'log', split: { by: 'key', column: 'user', shares: { valid: 0.1 } } },
      /data\.split: requires source; set source to the files to split/,
    ],
    [
      { source: 'log', valid: 'other', split: { by: 'random', shares: { test: 0.1 } } },
      /data\.valid: cannot be combined with source and split/,
    ],
    [{ source: 'log', split: { by: 'random', shares: { train: 0.5 } } }, /has no fraction for valid or test; add one/],
    [
      { source: 'log', split: { by: 'random', shares: { valid: 0.5, test: 0.5 } } },
      /expected fractions with a sum of at most 1/,
    ],
    [dates({}), /has no range for valid or test; add one/],
    [
      dates({ valid: { from: '2026-11-01' }, test: { from: '2026-11-08' } }),
      /data\.split\.test: overlaps valid; set an earlier to for valid/,
    ],
    [
      dates({ valid: { from: '2026-11-08', to: '2026-11-01' } }),
      /data\.split\.valid: ends before it begins; swap from and to/,
    ],
    [dates({ valid: { from: 20261101 }, test: { from: '2026-11-08' } }), /mixes dates and numbers; use one of them/],
    [dates({ valid: { from: 'tomorrow' } }), /expected a number, or a date such as 2026-11-01/],
    [{ source: 'log', split: { by: 'user' } }, /data\.split/],
  ])('is checked: %j', (data, message) => {
    const problems = problemsOf(data);
    if (message === undefined) expect(problems).toEqual([]);
    else expect(problems.join('\n')).toMatch(message);
  });
});

describe('filter rule', () => {
  it('is plain data, so that threads can rebuild it', () => {
    const filter = {
      where: { column: 'a', equals: 1 },
      split: { by: 'random', shares: { valid: 0.5 }, seed: 1 },
      part: 'train',
    } as const;
    expect(JSON.parse(JSON.stringify(filter))).toEqual(filter);
    expect([filterColumns(filter), needsLines(filter)]).toEqual([['a'], true]);
  });
});
