import { mapsOf } from '../support/batches.js';
import { column } from '../../src/core/batch.js';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.js';
import { taskOptions } from '../../src/core/tasks.js';
import { encodeRows } from '../../src/data/pipeline.js';
import { sequencesOptions } from '../../src/data/sequence-options.js';
import { refuseBadRows } from '../../src/data/rows/rejects.js';
import { dataColumns, encodedFormat, createRowFormat, type RowFormat } from '../../src/data/rows/row-format.js';
import { withEventLogs } from '../../src/data/sources/event-logs.js';
import { absentNotices } from '../../src/data/sources/notices.js';
import { openSource } from '../../src/data/sources/open-source.js';
import type { Reading } from '../../src/data/sources/source.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { storedFitted } from '../../src/features/fitted.js';
import {
  drawEvents,
  drawRequests,
  eventCsv,
  joinedCsv,
  requestCsv,
  userLines,
  type Event,
} from '../support/event-log.js';
import { openAllColumns } from '../support/read-rows.js';
import { scratchFile, scratchFolder } from '../support/scratch.js';

const tasks = [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }];

/** Features that read the items of an event log, or lists of the same names. */
function formatOf(last = 5): RowFormat {
  const groups = [
    { type: 'categorical', fields: ['item'], encoding: 'tokens' },
    {
      type: 'sequence',
      name: 'log',
      fields: [
        { name: 'log.item', target: 'item' },
        { name: 'log.price', scaling: 'standard' },
        { name: 'log.t', as: 'age', until: 'now' },
      ],
      keep: { last },
      encoder: 'pooling',
    },
    {
      type: 'sequence',
      name: 'own',
      fields: [
        { name: 'log.item', encoding: { name: 'tokens', minCount: 3 } },
        { name: 'log.t', as: 'age', until: 'now', buckets: 'log' },
      ],
      encoder: 'pooling',
    },
  ];
  return createRowFormat({ tasks, groups: groups.map((group) => featureTypes.schema.parse(group)) });
}

type Options = { readonly file: string } & Readonly<Record<string, unknown>>;
const withLog = (format: RowFormat, log: Options): Promise<RowFormat> =>
  withEventLogs(format, {
    sequences: sequencesOptions.parse({ log: { key: 'user', time: 't', until: 'now', ...log } }),
  });

/** Fits a format on a file and reads its batches: ids and weights per row, by field. */
async function read(format: RowFormat, file: string, options: Partial<Reading> = {}): Promise<unknown> {
  const reading = { policy: refuseBadRows, ...options };
  const source = await openSource(file, dataColumns(format), { delimiter: ',' });
  const fitted = await source.fit(format, reading);
  const dataset = await source.dataset(encodedFormat(format, fitted), reading);
  const rows: unknown[] = [];
  for await (const { batch } of dataset.batches(7, { seed: 3, epoch: 0, window: 50 }))
    for (let row = 0; row < batch.rows; row++)
      rows.push(
        [...mapsOf(batch).bags].map(([name, { offsets, ids, weights }]) => [
          name,
          [...ids.subarray(offsets[row], offsets[row + 1])],
          [...weights.subarray(offsets[row], offsets[row + 1])],
        ]),
      );
  await dataset.close();
  return { rows, fitted: storedFitted(fitted) };
}

/** Items of a row as DuckDB joins them (`event-logs/make.py`). */
interface Joined {
  readonly item: readonly string[];
  readonly price: readonly number[];
  readonly age: readonly number[];
}

/** Returns texts by id: the most frequent first, then in string order; the first one is missing. */
function vocabularyOf(texts: readonly string[]): readonly string[] {
  const count = (text: string): number => texts.filter((each) => each === text).length;
  const known = [...new Set(texts)].filter((text) => text !== '');
  return ['', ...known.sort((a, b) => count(b) - count(a) || (a < b ? -1 : 1))];
}

describe('the items of an event log', () => {
  it.each([1, 3, 1000])('are the last %i events before each row, as if the rows had them as lists', async (last) => {
    for (const seed of [1, 2, 3]) {
      const [events, requests] = [drawEvents(200, seed), drawRequests(120, seed)];
      const format = await withLog(formatOf(last), { file: scratchFile('events.csv', eventCsv(events)) });
      expect(dataColumns(format)).toEqual(['click', 'item', 'user', 'now']);
      const joined = await read(formatOf(last), scratchFile('rows.csv', joinedCsv(events, requests)));
      expect(await read(format, scratchFile('rows.csv', requestCsv(requests)))).toEqual(joined);
    }
  });

  it.each([
    ['events.parquet', 'event'],
    ['users.parquet', 'user'],
  ])('are those of a point-in-time join of DuckDB, from %s', async (name, per) => {
    const folder = join(import.meta.dirname, 'event-logs');
    const joined = JSON.parse(readFileSync(join(folder, 'joined.json'), 'utf8')) as readonly Joined[];
    const fields = [
      { name: 'log.item', encoding: { name: 'tokens', minCount: 1 } },
      { name: 'log.price', scaling: 'none' },
      { name: 'log.t', as: 'age', until: 'request_time', scaling: 'none' },
    ];
    const group = featureTypes.schema.parse({ type: 'sequence', name: 's', fields, encoder: 'pooling' });
    const format = await withLog(createRowFormat({ tasks, groups: [group] }), {
      file: join(folder, name),
      until: 'request_time',
      per,
    });
    const source = await openSource(join(folder, 'rows.csv'), dataColumns(format));
    const fitted = await source.fit(format, { policy: refuseBadRows, cache: { folder: scratchFolder() } });
    const texts = vocabularyOf(joined.flatMap(({ item }) => item));
    const found: Joined[] = [];
    for await (const { batch } of source.stream(encodedFormat(format, fitted), [], { policy: refuseBadRows }))
      for (let row = 0; row < batch.rows; row++) {
        const [item, price, age] = fields.map((field) => column(batch, `s.${field.name}`, 'list'));
        const [begin, end] = [item!.offsets[row]!, item!.offsets[row + 1]!];
        found.push({
          item: [...item!.ids.subarray(begin, end)].map((id) => texts[id]!),
          price: [...price!.weights.subarray(begin, end)],
          age: [...age!.weights.subarray(begin, end)],
        });
      }
    expect(found).toEqual(joined);
  });

  it('are found in several files, in JSON Lines, and in lists of users', async () => {
    const [events, requests] = [drawEvents(150), drawRequests(60)];
    const rows = scratchFile('rows.csv', requestCsv(requests));
    const expected = await read(await withLog(formatOf(), { file: scratchFile('e.csv', eventCsv(events)) }), rows);
    const folder = scratchFolder();
    for (const [i, begin] of [0, 70, 71].entries())
      writeFileSync(join(folder, `${i}.csv`), eventCsv(events.slice(begin, [70, 71, 150][i])));
    expect(await read(await withLog(formatOf(), { file: folder }), rows)).toEqual(expected);
    const lines = events.map(({ user, item, price, time }) => JSON.stringify({ t: time, price, item, user }));
    const json = { file: scratchFile('e.jsonl', `${lines.join('\n')}\n`) };
    expect(await read(await withLog(formatOf(), json), rows)).toEqual(expected);
    const perUser = { file: scratchFile('users.jsonl', userLines(events)), per: 'user' };
    expect(await read(await withLog(formatOf(), perUser), rows)).toEqual(expected);
  });

  it('have dates, and cleaned keys and items', async () => {
    const file = scratchFile('e.csv', 'user,t,item\n u ,2026-11-02,?\nu,2026-11-01T23:00:00Z, a \nu,2026-11-03,b\n');
    const rows = scratchFile('rows.csv', 'click,user,item,now\n0, u,a,1793577601\n1,?,b,1793577601\n');
    const groups = [
      {
        type: 'sequence',
        fields: [
          { name: 'log.item', encoding: { name: 'tokens', minCount: 1 } },
          { name: 'log.t', as: 'age', until: 'now', scaling: 'none' },
        ],
        encoder: 'pooling',
      },
    ].map((group) => featureTypes.schema.parse(group));
    const cells = { nullValues: ['?'], trim: true };
    const format = await withLog(createRowFormat({ tasks, groups, cells }), { file });
    // 1793577600 is 2026-11-02 00:00 in UTC. The first item is missing, and the second one the only text before.
    expect(await read(format, rows)).toMatchObject({
      // Rows are shuffled.
      rows: [
        [
          ['log.item.log.item', [], []],
          ['log.item.log.t', [], []],
        ],
        [
          ['log.item.log.item', [1, 0], [1, 1]],
          ['log.item.log.t', [0, 0], [3601, 1]],
        ],
      ],
    });
  });

  it(
    'are the same for any number of threads, whether items are stored with rows or not',
    { tags: ['long'] },
    async () => {
      const rows = await openAllColumns(scratchFile('rows.csv', requestCsv(drawRequests(4000))), {}, 4000);
      const file = scratchFile('events.csv', eventCsv(drawEvents(300)));
      const plain = await withLog(formatOf(), { file });
      const fitted = await (await openSource(rows.csv.path, dataColumns(plain))).fit(plain, { policy: refuseBadRows });
      const format = encodedFormat(plain, fitted);
      const encode = async (threads: number): Promise<unknown> => {
        const found: unknown[] = [];
        for await (const { batch } of encodeRows(rows, format, { threads, isPatient: true }))
          for (let row = 0; row < batch.rows; row++)
            found.push(
              [...mapsOf(batch).bags].map(([, { offsets, ids, weights }]) => [
                [...ids.subarray(offsets[row], offsets[row + 1])],
                [...weights.subarray(offsets[row], offsets[row + 1])],
              ]),
            );
        return found;
      };
      const expected = await encode(1);
      expect(expected).toHaveLength(4000);
      expect(await encode(3)).toEqual(expected);
    },
  );

  it('are not stored with the rows, whose cache is read again until an event changes', { tags: ['long'] }, async () => {
    const requests = drawRequests(500);
    const [rows, folder] = [scratchFile('rows.csv', requestCsv(requests)), scratchFolder()];
    const bytes = async (events: readonly Event[], cache: string): Promise<number> => {
      const format = await withLog(formatOf(1000), { file: scratchFile('events.csv', eventCsv(events)) });
      const told: string[] = [];
      const reading = {
        cache: { folder: join(folder, cache) },
        onProgress: ({ what }: { what: string }) => told.push(what),
      };
      const first = await read(format, rows, reading);
      expect(told.some((what) => what.startsWith('encoding'))).toBe(true);
      told.length = 0;
      expect(await read(format, rows, reading)).toEqual(first);
      expect(told).toEqual([]);
      const files = readdirSync(join(folder, cache), { recursive: true, encoding: 'utf8' });
      const shards = files.filter((name) => basename(name).startsWith('shard-'));
      expect(shards.length).toBeGreaterThan(0);
      return shards.reduce((sum, name) => sum + statSync(join(folder, cache, name)).size, 0);
    };
    const events = drawEvents(2000);
    const few = await bytes(events.slice(0, 20), 'few');
    // One label, one id, and the user, the number of events and the time of the row: 24 bytes.
    expect(few).toBeLessThan(24 * 500 + 2000);
    expect(await bytes(events, 'many')).toBe(few);
    // Another event makes another entry.
    expect(await bytes([...events, { user: 'u1', item: 'a', price: 1, time: 0 }], 'many')).toBe(2 * few);
  });

  it('are none for rows whose user has no events, which are counted', async () => {
    const requests = drawRequests(100);
    const format = await withLog(formatOf(), { file: scratchFile('events.csv', eventCsv(drawEvents(50))) });
    const source = await openSource(scratchFile('rows.csv', requestCsv(requests)), dataColumns(format));
    const reading = { policy: refuseBadRows };
    const train = await source.dataset(encodedFormat(format, await source.fit(format, reading)), reading);
    const absent = requests.filter(({ user }) => ['none', ''].includes(user)).length;
    expect(absent).toBeGreaterThan(5);
    expect([...train.idCounts.keys()]).toEqual(['item']);
    expect(absentNotices({ train })).toEqual([
      `data.train: the user of ${absent} of 100 rows is not in data.sequences.log, so these rows have no items`,
    ]);
  });

  it.each([
    ['user,t,item\nu,1,a\n,2,b\n', /e\.csv:3: column "user": expected a key, found ""; remove the row/],
    ['user,t,item\nu,1,7\nu,,8\n', /e\.csv:3: column "t": expected a time: .*, found ""/],
    ['user,t,items\nu,1,a\n', /e\.csv:1: column "item": .*did you mean 'items'\?/],
    ['user,t,item\nu,1\n', /e\.csv:2: data\.sequences\.log: expected 3 values/],
    ['user,t,item\nu,1,x\n', /e\.csv:2: column "item": expected an integer id in digits, found "x"/],
  ])('are refused with the place of an invalid event in %j', async (content, message) => {
    const group = { type: 'sequence', fields: ['log.item'], encoder: 'pooling' };
    const format = createRowFormat({ tasks, groups: [featureTypes.schema.parse(group)] });
    await expect(withLog(format, { file: scratchFile('e.csv', content) })).rejects.toThrow(message);
  });

  it.each([
    [
      'event',
      '{"user":"u","t":[1,2],"item":[3,4]}\n',
      /e\.jsonl:1: column "t": expected one value, since each row is an event, .*; set per: user if/,
    ],
    [
      'user',
      '{"user":"u","t":[1,2],"item":[3]}\n',
      /e\.jsonl:1: column "item": expected lists of equal length, instead of 2 in 't', 1 in 'item', /,
    ],
    ['user', '{"user":"u","t":[1,null],"item":[3,4]}\n', /e\.jsonl:1: column "t": expected a time: a number, /],
    ['user', '{"user":"u","t":[1,2],"item":[3,"x"]}\n', /e\.jsonl:1: column "item": expected an integer id/],
  ])('are refused with per: %s and the row %j', async (per, content, message) => {
    const group = { type: 'sequence', fields: ['log.item'], encoder: 'pooling' };
    const format = createRowFormat({ tasks, groups: [featureTypes.schema.parse(group)] });
    await expect(withLog(format, { file: scratchFile('e.jsonl', content), per })).rejects.toThrow(message);
  });

  it('require the time of the row, and files with raw values', async () => {
    const format = await withLog(formatOf(), { file: scratchFile('events.csv', eventCsv(drawEvents(50))) });
    const rows = scratchFile('rows.csv', 'click,user,item,now\n0,u1,a,5\n1,u1,a,\n');
    await expect(read(format, rows)).rejects.toThrow(
      /rows\.csv:3: column "now": expected a time: a number, .*found ""/,
    );
    await expect(withLog(formatOf(), { file: '/none/e.csv' })).rejects.toThrow(/e\.csv: data\.sequences\.log: /);
  });

  it.each([
    ['[log.item, hist]', '{}', /c\.yaml:3:\d+: features\.g\.fields\.1: is not in the event log 'log'/],
    [
      '[log.item, { name: log.t, as: age, until: other }]',
      '{}',
      /fields\.1\.until: expected 'now', the until of data\.seq/,
    ],
    ['[log.item]', '{ order: { newest: first } }', /features\.g\.order: does not apply to an event log/],
    ['[log.item]', '{ aligned: false, keep: { heaviest: 3 } }', /features\.g\.aligned: does not apply to an event log/],
  ])('are refused in a config with fields %s and %s', (fields, others, message) => {
    const own = others === '{}' ? '' : `, ${others.slice(2, -2)}`;
    const config =
      'data: { train: t.csv, sequences: { log: { file: e.csv, key: user, time: t, until: now } } }\nfeatures:\n' +
      `  g: { type: sequence, fields: ${fields}, encoder: pooling${own} }\n` +
      'tasks: { ctr: { label: click } }\nmodel: { name: mmoe }\n';
    expect(() => parseConfig(config, 'c.yaml')).toThrow(message);
  });
});
