import { mapsOf, toBatch } from '../support/batches.js';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { BagColumn } from '../../src/core/batch.js';
import type { BlockColumn } from '../../src/chunks/row-block.js';
import { taskOptions } from '../../src/core/tasks.js';
import { describeData } from '../../src/data/info/describe-data.js';
import { dataOptions } from '../../src/data/options.js';
import { refuseBadRows } from '../../src/data/rows/rejects.js';
import { dataColumns, encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { writeShards } from '../../src/data/shards/writer.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { textsFrom } from '../../src/features/vocabulary/string-pool.js';
import { scratchFolder } from '../support/scratch.js';

// Sequences of shards, whose ids are encoded already, equal those of a CSV with the same ids or strings.

const tasks = [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }];
const ROWS = 300;
const BRANDS = ['', 'red', 'green', 'blue', 'ü'];
const rows = Array.from({ length: ROWS }, (_, r) => ({
  click: Number(r % 3 === 0),
  item: r % 40,
  now: 20 + (r % 5),
  seen: Array.from({ length: r % 7 }, (__, i) => (i % 3 === 1 ? r % 40 : (r * 5 + i * 3) % 30)),
  brand: Array.from({ length: r % 7 }, (__, i) => (r + i) % 5),
  at: Array.from({ length: r % 7 }, (__, i) => (r + 7 * i) % 25),
  taste: Array.from({ length: r % 9 }, (__, i) => [(r + i * 7) % 30, ((r + i * i) % 8) / 4] as const),
}));
const COLUMNS: readonly BlockColumn[] = [
  { name: 'click', kind: 'label' },
  { name: 'item', kind: 'id' },
  { name: 'now', kind: 'number' },
  ...['seen', 'brand', 'at', 'taste'].map((name): BlockColumn => ({ name, kind: 'bag' })),
];

function bagOf(lists: readonly (readonly (readonly [number, number])[])[]): BagColumn {
  const offsets = new Uint32Array(ROWS + 1);
  lists.forEach((list, r) => (offsets[r + 1] = offsets[r]! + list.length));
  return {
    type: 'list',
    offsets,
    ids: Uint32Array.from(lists.flat(), ([id]) => id),
    weights: Float32Array.from(lists.flat(), ([, weight]) => weight),
  };
}

/** Writes the rows as a CSV and as shards of 64 rows. */
async function bothSources(): Promise<{ readonly csv: string; readonly folder: string }> {
  const base = scratchFolder();
  const csv = join(base, 'train.csv');
  const lines = rows.map(({ click, item, now, seen, brand, at, taste }) => {
    const brands = JSON.stringify(brand.map((id) => BRANDS[id]!)).replaceAll('"', '""');
    const tastes = taste.map(([id, weight]) => `${id}:${weight}`).join('|');
    return [click, item, now, seen.join('|'), `"${brands}"`, at.join('|'), tastes].join(',');
  });
  writeFileSync(csv, `click,item,now,seen,brand,at,taste\n${lines.join('\n')}\n`);
  const unweighted = (name: 'seen' | 'brand' | 'at') => bagOf(rows.map((row) => row[name].map((id) => [id, 1])));
  const floats = (name: 'click' | 'now'): Float32Array => Float32Array.from(rows, (row) => row[name]);
  const batch = toBatch({
    rows: ROWS,
    ids: new Map([['item', Uint32Array.from(rows, ({ item }) => item)]]),
    numbers: new Map([['now', floats('now')]]),
    labels: new Map([['click', floats('click')]]),
    bags: new Map([
      ...(['seen', 'brand', 'at'] as const).map((name) => [name, unweighted(name)] as const),
      ['taste', bagOf(rows.map(({ taste }) => taste))],
    ]),
  });
  const folder = join(base, 'shards');
  const sizes = new Map(Object.entries({ item: 40, seen: 40, brand: BRANDS.length, at: 40, taste: 40 }));
  const write: Parameters<typeof writeShards>[2] = async (writer) => {
    await writer.add(batch);
    return { sizes, vocabularies: new Map([['brand', textsFrom(BRANDS)]]) };
  };
  await writeShards(folder, COLUMNS, write, 64);
  return { csv, folder };
}

/** Reads a source twice, in order and shuffled. */
async function read(path: string, groups: readonly object[]): Promise<{ fitted: unknown; batches: unknown[] }> {
  const format = createRowFormat({ tasks, groups: groups.map((group) => featureTypes.schema.parse(group)) });
  const reading = { policy: refuseBadRows, cache: { folder: scratchFolder() } };
  const source = await openSource(path, dataColumns(format));
  const fitted = await source.fit(format, reading);
  const dataset = await source.dataset(encodedFormat(format, fitted), reading);
  const batches: unknown[] = [];
  for (const shuffle of [undefined, { seed: 1, epoch: 1, window: 1000 }])
    for await (const { batch } of dataset.batches(40, shuffle))
      batches.push(
        [...mapsOf(batch).bags].map(([name, { offsets, ids, weights }]) => [
          name,
          [...offsets],
          [...ids],
          [...weights],
        ]),
      );
  await dataset.close();
  return { fitted, batches };
}

/** Describes the lengths of the sequences of a source. */
async function describeLengths(path: string, groups: readonly object[]): Promise<unknown> {
  const format = createRowFormat({ tasks, groups: groups.map((group) => featureTypes.schema.parse(group)) });
  const access = { cache: { folder: scratchFolder() } };
  const { sequences } = await describeData(dataOptions.parse({ train: path }), format, access);
  return sequences;
}

const item = { type: 'categorical', fields: ['item'], encoding: { name: 'ids', sizes: { item: 40 } } };
const sequence = (options: object): object => ({ type: 'sequence', name: 's', encoder: 'pooling', ...options });
const target = { name: 'seen', target: 'item' };

describe('a sequence of shards', () => {
  it.each<[string, readonly object[]]>([
    ['with the table of a target', [sequence({ fields: [target], keep: { last: 4 } }), item]],
    [
      'of aligned ids and strings, newest first',
      [sequence({ fields: [target, { name: 'brand', encoding: 'tokens' }], order: { newest: 'first' } }), item],
    ],
    [
      'with times, in their order',
      [
        sequence({
          fields: [
            target,
            { name: 'at', as: 'age', until: 'now', buckets: 'log' },
            { name: 'brand', encoding: 'tokens' },
          ],
          order: { by: 'at' },
          keep: { last: 3 },
        }),
        item,
      ],
    ],
    [
      'of the items that equal a target',
      [
        sequence({ fields: [target, { name: 'brand', encoding: 'tokens' }], keep: { last: 2, matching: 'seen' } }),
        item,
      ],
    ],
    [
      'of the heaviest weighted ids',
      [sequence({ fields: [{ name: 'taste', target: 'item' }, target], aligned: false, keep: { heaviest: 3 } }), item],
    ],
    [
      'with a scaling that is fitted on the selected items',
      [sequence({ fields: [{ name: 'at', scaling: 'standard' }, target], keep: { last: 2 } }), item],
    ],
  ])('%s equals that of a CSV', async (_, groups) => {
    const { csv, folder } = await bothSources();
    const [fromCsv, fromShards] = [await read(csv, groups), await read(folder, groups)];
    expect(fromShards.fitted).toEqual(fromCsv.fitted);
    expect(fromShards.batches).toEqual(fromCsv.batches);
    expect(await describeLengths(folder, groups)).toEqual(await describeLengths(csv, groups));
    expect(fromCsv.batches.length).toBeGreaterThan(10);
  });
});
