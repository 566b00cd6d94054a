import { column } from '../../src/core/batch.js';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { taskOptions } from '../../src/core/tasks.js';
import { dataOptions } from '../../src/data/options.js';
import { refuseBadRows } from '../../src/data/rows/rejects.js';
import { dataColumns, encodedFormat, createRowFormat, type RowFormat } from '../../src/data/rows/row-format.js';
import { withEventLogs } from '../../src/data/sources/event-logs.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { scratchFile, scratchFolder } from '../support/scratch.js';

/** A row of a set. */
interface Shown {
  readonly user: string;
  readonly item: string;
  readonly price: number;
  readonly at: number;
  readonly click: string;
}

const LAST = 4;

/** Draws rows in order of time, some without a user or a label, and many with equal times. */
function drawRows(count: number, seed: number): readonly Shown[] {
  const random = randomStream(seed, 'rows');
  return Array.from({ length: count }, (_, i) => ({
    user: ['u1', 'u2', 'u'.repeat(300), ''][random.below(4)]!,
    item: ['a', 'b', 'c', ''][random.below(4)]!,
    price: random.below(40) / 4,
    at: Math.floor(i / 2),
    click: ['0', '1', '1.0', '0', ''][random.below(5)]!,
  }));
}

const COLUMNS = ['user', 'item', 'price', 'at', 'click'] as const;
const csvOf = (rows: readonly Shown[]): string =>
  [COLUMNS, ...rows.map((row) => COLUMNS.map((name) => row[name]))].map((line) => `${line.join(',')}\n`).join('');

/** The events before a row: rows of its user that were clicked before its time. */
function eventsBefore(all: readonly Shown[], { user, at }: Shown): readonly Shown[] {
  if (user === '') return [];
  return all.filter((row) => row.user === user && Number(row.click) === 1 && row.at < at).slice(-LAST);
}

const fields = [
  { name: 'clicks.item', encoding: { name: 'tokens', minCount: 1 } },
  { name: 'clicks.price', scaling: 'none' },
  { name: 'clicks.at', as: 'age', until: 'at', scaling: 'none' },
];
const groups = [
  featureTypes.schema.parse({ type: 'sequence', name: 's', fields, keep: { last: LAST }, encoder: 'pooling' }),
];
const tasks = [{ name: 'ctr', ...taskOptions.parse({ label: 'click', onMissing: 'mask' }) }];

const openLog = (data: object, warnings: string[] = []): Promise<RowFormat> => {
  const sequences = { clicks: { of: 'click', key: 'user', time: 'at', until: 'at' } };
  const cache = { folder: scratchFolder(), onWarning: (text: string) => void warnings.push(text) };
  return withEventLogs(createRowFormat({ tasks, groups }), dataOptions.parse({ sequences, ...data }), { cache });
};

/** Reads the prices and ages of the items of each row. */
async function readItems(format: RowFormat, path: string, fitOn = path): Promise<unknown[]> {
  const reading = { policy: refuseBadRows };
  const fitted = await (await openSource(fitOn, dataColumns(format))).fit(format, reading);
  const source = await openSource(path, dataColumns(format));
  const found: unknown[] = [];
  for await (const { batch } of source.stream(encodedFormat(format, fitted), [], reading))
    for (let row = 0; row < batch.rows; row++)
      found.push(
        ['s.clicks.item', 's.clicks.price', 's.clicks.at'].map((name) => {
          const { offsets, ids, weights } = column(batch, name, 'list');
          const [begin, end] = [offsets[row]!, offsets[row + 1]!];
          return name === 's.clicks.item'
            ? [...ids.subarray(begin, end)].map(Boolean)
            : [...weights.subarray(begin, end)];
        }),
      );
  return found;
}

const expectedItems = (all: readonly Shown[], rows: readonly Shown[]): unknown[] =>
  rows.map((row) => {
    const own = eventsBefore(all, row);
    return [own.map(({ item }) => item !== ''), own.map(({ price }) => price), own.map(({ at }) => row.at - at)];
  });

describe('events that are rows of the sets', () => {
  it('are the clicked rows of all sets before the time of a row', async () => {
    for (const seed of [1, 2, 3]) {
      const rows = drawRows(300, seed);
      const folder = scratchFolder();
      const parts = [rows.slice(0, 200), rows.slice(200, 260), rows.slice(260)];
      const paths = ['train', 'valid', 'test'].map((name, p) => {
        writeFileSync(join(folder, `${name}.csv`), csvOf(parts[p]!));
        return join(folder, `${name}.csv`);
      });
      const [train, valid, test] = paths;
      const format = await openLog({ train, valid, test });
      for (const [p, path] of paths.entries())
        expect(await readItems(format, path, train)).toEqual(expectedItems(rows, parts[p]!));
      // A source that is split, or a file of several sets, has each row once.
      const all = scratchFile('all.csv', csvOf(rows));
      const split = { by: 'random', shares: { valid: 0.3 } };
      for (const data of [
        { source: all, split },
        { train: all, valid: all },
      ])
        expect(await readItems(await openLog(data), all)).toEqual(expectedItems(rows, rows));
    }
  });

  it('follow data.where and the text format of the sets', async () => {
    const rows = drawRows(120, 4);
    const text = csvOf(rows).replaceAll(',', ';').split('\n').slice(1).join('\n');
    const train = scratchFile('rows.txt', text);
    const dialect = { header: false, columns: [...COLUMNS], delimiter: ';' };
    const format = await openLog({ train, ...dialect, where: { column: 'item', oneOf: ['a', 'b'] } });
    const events = rows.filter(({ item }) => ['a', 'b'].includes(item));
    const plain = scratchFile('rows.csv', csvOf(rows));
    expect(await readItems(format, plain)).toEqual(expectedItems(events, rows));
  });

  it('may be named by a directory that has their columns', async () => {
    const rows = drawRows(80, 5);
    const folder = scratchFolder();
    const named = ['u1', 'u2'].map((user) => {
      const own = rows.filter((row) => row.user === user);
      const lines = csvOf(own)
        .split('\n')
        .map((line) => line.slice(line.indexOf(',') + 1));
      mkdirSync(join(folder, `user=${user}`));
      writeFileSync(join(folder, `user=${user}`, 'part.csv'), lines.join('\n'));
      return own;
    });
    const format = await openLog({ train: folder });
    const expected = named.flatMap((own) => expectedItems(rows, own));
    expect(await readItems(format, folder)).toEqual(expected);
  });

  it('are refused, or skipped with a warning, if they are invalid', async () => {
    const [first, ...others] = csvOf(drawRows(20, 6)).trimEnd().split('\n');
    // Rows that are not events may contain anything.
    const invalid = ['u1,a,x,3,1', 'u1,a,2,later,1', 'u1,a,2,later,yes', 'u1,a,x,later,0'];
    const train = scratchFile('rows.csv', [first, ...invalid, ...others, ''].join('\n'));
    await expect(openLog({ train })).rejects.toThrow(
      /rows\.csv:2: column "price": expected a decimal number, found "x"/,
    );
    const warnings: string[] = [];
    const format = await openLog({ train, onBadRow: 'skip' }, warnings);
    expect(warnings).toEqual([
      expect.stringMatching(/rows\.csv: 2 invalid rows are not events of data\.sequences\.clicks/),
    ]);
    const rows = drawRows(20, 6);
    const plain = scratchFile('plain.csv', csvOf(rows));
    expect(await readItems(format, plain)).toEqual(expectedItems(rows, rows));
  });

  it('require files, and labels of the rows themselves', async () => {
    await expect(openLog({ train: '-' })).rejects.toThrow(
      /-: data\.sequences\.clicks: is read once, .*or train with --follow/,
    );
    const join = { key: 'id', time: 'at', events: { click: { file: 'clicks', within: '5m' } } };
    await expect(openLog({ train: 'rows.csv', join })).rejects.toThrow(
      /data\.sequences\.clicks\.of: .*; train with --follow/,
    );
    await expect(openLog({ train: '/none/rows.csv' })).rejects.toThrow(/rows\.csv: data\.sequences\.clicks: /);
  });
});
