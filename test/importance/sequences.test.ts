import { describe, expect, it } from 'vitest';
import { column, type BagColumn } from '../../src/core/batch.js';
import { randomStream, shuffledOrder } from '../../src/core/random.js';
import { taskOptions } from '../../src/core/tasks.js';
import { holdRows } from '../../src/data/batches/held-rows.js';
import { refuseBadRows } from '../../src/data/rows/rejects.js';
import { blockColumns, dataColumns, encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { sequencesOptions } from '../../src/data/sequence-options.js';
import { withEventLogs } from '../../src/data/sources/event-logs.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { configFields } from '../../src/importance/config-fields.js';
import { createPermuter, type Permuter } from '../../src/importance/permuted.js';
import { scratchFile } from '../support/scratch.js';

const [ROWS, USERS, EVENTS, MAX_ITEMS, BATCH_ROWS] = [60, 9, 150, 6, 16];

/** Event e: item e + 1, of price item + 0.5 and time 10 · item, by a user. */
const userOf = (item: number): number => Math.floor(item / 2) % USERS;
const eventItems = Array.from({ length: EVENTS }, (_, e) => e + 1);
/** Rows are 1 after the time of some event, so that each has items of its own. */
const requests = Array.from({ length: ROWS }, (_, r) => ({ user: r % USERS, now: 10 * ((r * 37) % EVENTS) + 1 }));
const historyOf = ({ user, now }: (typeof requests)[number]): readonly number[] =>
  eventItems.filter((item) => userOf(item) === user && 10 * item < now).slice(-MAX_ITEMS);

const spec = featureTypes.schema.parse({
  type: 'sequence',
  fields: [
    { name: 'log.item', encoding: { name: 'ids', sizes: { 'log.item': EVENTS + 1 } } },
    { name: 'log.price', scaling: 'none' },
    { name: 'log.t', as: 'age', until: 'now', scaling: 'none' },
  ],
  keep: { last: MAX_ITEMS },
  encoder: 'pooling',
});
const tasks = [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }];
const units = configFields({ clicks: spec });

const SOURCES = {
  'lists of the rows': {
    options: {},
    header: 'click,user,now,log.item,log.price,log.t',
    listsOf: (items: readonly number[]) => [items, items.map((item) => item + 0.5), items.map((item) => 10 * item)],
  },
  'an event log': {
    options: { log: { key: 'user', time: 't', until: 'now' } },
    header: 'click,user,now',
    listsOf: () => [],
  },
} as const;

/** Reads the rows, with lists or with the events of a log. */
async function open({ options, header, listsOf }: (typeof SOURCES)[keyof typeof SOURCES]): Promise<Permuter> {
  const lines = requests.map((request, r) =>
    [r % 2, request.user, request.now, ...listsOf(historyOf(request)).map((list) => list.join('|'))].join(','),
  );
  const events = eventItems.map((item) => `${userOf(item)},${10 * item},${item},${item + 0.5}`);
  const file = scratchFile('events.csv', ['user,t,item,price', ...events, ''].join('\n'));
  const logs = Object.entries(options).map(([name, log]) => [name, { ...log, file }] as const);
  const sequences = sequencesOptions.parse(Object.fromEntries(logs));
  const format = await withEventLogs(createRowFormat({ tasks, groups: [spec] }), { sequences });
  const path = scratchFile('rows.csv', [header, ...lines, ''].join('\n'));
  const source = await openSource(path, dataColumns(format), { delimiter: ',' });
  const encoded = encodedFormat(format, await source.fit(format, { policy: refuseBadRows }));
  const dataset = await source.dataset(encoded, { policy: refuseBadRows });
  const held = await holdRows(dataset, blockColumns(encoded), ROWS, 1, () => undefined);
  await dataset.close();
  return createPermuter(held, BATCH_ROWS);
}

/** Permutes fields; returns the items of each row: item, price and age. */
function permute(permuter: Permuter, fields: readonly string[], order: Uint32Array): number[][][] {
  const found: number[][][] = [];
  for (const batch of permuter.permuted(fields, order)) {
    const [item, price, age] = ['item', 'price', 't'].map((name) => column(batch, `log.item.log.${name}`, 'list'));
    for (let row = 0; row < batch.rows; row++) {
      const listOf = ({ offsets }: BagColumn, values: Uint32Array | Float32Array): number[] => [
        ...values.subarray(offsets[row], offsets[row + 1]),
      ];
      const [prices, ages] = [listOf(price!, price!.weights), listOf(age!, age!.weights)];
      found.push(listOf(item!, item!.ids).map((id, i) => [id, prices[i]!, ages[i]!]));
      expect([prices, ages].map(({ length }) => length)).toEqual([found.at(-1)!.length, found.at(-1)!.length]);
    }
  }
  return found;
}

describe.each(Object.entries(SOURCES))('the importance of a sequence of %s', (_, source) => {
  it('permutes items with all of their fields', async () => {
    expect(units.map(({ name }) => name)).toEqual(['log.item']);
    const permuter = await open(source);
    const order = new Uint32Array(ROWS);
    shuffledOrder(order, ROWS, randomStream(1, 'importance', 0));
    const rows = permute(permuter, units[0]!.fields, order);
    const taken = [...order].map((r) => requests[r]!);
    expect(rows).toEqual(
      taken.map((request) => historyOf(request).map((item) => [item, item + 0.5, request.now - 10 * item])),
    );
    expect(new Set(rows.map((row) => JSON.stringify(row))).size).toBeGreaterThan(ROWS / 2);
  });
});
