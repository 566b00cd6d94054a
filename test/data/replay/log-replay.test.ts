import { mapsOf, toBatch } from '../../support/batches.js';
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../../src/core/batch.js';
import { taskOptions, type Task } from '../../../src/core/tasks.js';
import { LogReplay } from '../../../src/data/replay/log-replay.js';
import { RowSamples } from '../../../src/data/replay/row-samples.js';
import { timeColumns, timeParts } from '../../../src/delay/columns.js';
import { randomStream } from '../../../src/core/random.js';

const HOUR = 3600;
const START = 1_790_000_000;
const DELAY = { method: 'es-dfm', from: 'at', event: 'bought', format: 'seconds', wait: '1h', window: '24h' };
const CVR: Task = {
  name: 'cvr',
  ...taskOptions.parse({ label: 'buy', given: 'click', delay: DELAY, onMissing: 'mask' }),
};
const CTR: Task = { name: 'ctr', ...taskOptions.parse({ label: 'click' }) };
const TASKS = [CTR, CVR];

/** A row of a log: hours of the click and of the conversion. */
interface Row {
  readonly at: number | undefined;
  readonly click: number;
  readonly bought?: number | undefined;
}

/** Encodes rows; each has its number as id, and as many items as its number modulo 3. */
function encode(rows: readonly Row[], first = 0): Batch {
  const { day, second } = timeParts('seconds');
  const text = (hours: number | undefined): string => (hours === undefined ? '' : String(START + hours * HOUR));
  const labels = new Map<string, Float32Array>();
  const set = (name: string, value: (row: Row) => number): void => {
    labels.set(name, Float32Array.from(rows, value));
  };
  for (const time of ['from', 'event'] as const) {
    const names = timeColumns('cvr', time);
    const of = (row: Row) => text(time === 'from' ? row.at : row.bought);
    set(names.day, (row) => day(of(row)));
    set(names.second, (row) => second(of(row)));
  }
  set('click', ({ click }) => click);
  set('buy', ({ bought }) => (bought === undefined ? 0 : 1));
  for (const name of ['tasks.cvr.known', 'tasks.cvr.mask', 'tasks.cvr.chainKnown', 'delay.first']) set(name, () => 1);
  for (const name of ['main', 'auxiliary', 'early']) set(`tasks.cvr.delay.${name}`, () => 1);
  const items = rows.map((_, i) => Array.from({ length: (first + i) % 3 }, (_item, k) => 100 * (first + i) + k));
  const offsets = [0];
  for (const each of items) offsets.push(offsets.at(-1)! + each.length);
  return toBatch({
    rows: rows.length,
    ids: new Map([['number', Uint32Array.from(rows, (_, i) => first + i)]]),
    bags: new Map([
      [
        'items',
        {
          offsets: Uint32Array.from(offsets),
          ids: Uint32Array.from(items.flat()),
          weights: new Float32Array(offsets.at(-1)!).fill(1),
        },
      ],
    ]),
    labels,
  });
}

/** A sample as text: number of the row, items, first, label, mask, main, auxiliary and early. */
function describeSamples(batch: Batch): string[] {
  const { rows, ids, bags, labels } = mapsOf(batch);
  const { offsets, ids: items } = bags.get('items')!;
  return Array.from({ length: rows }, (_, row) => {
    const values = ['delay.first', 'buy', 'tasks.cvr.mask'].map((name) => labels.get(name)![row]);
    const method = ['main', 'auxiliary', 'early'].map((name) => labels.get(`tasks.cvr.delay.${name}`)![row]);
    const own = items.subarray(offsets[row], offsets[row + 1]).join('+');
    return `${ids.get('number')![row]}[${own}] ${values.join('')} ${method.join('')}`;
  });
}

function replayAll(rows: readonly Row[], added: number, taken: number): string[] {
  const replay = new LogReplay(new RowSamples(TASKS));
  const found: string[] = [];
  for (let row = 0; row < rows.length; row += added) {
    replay.add(encode(rows.slice(row, row + added), row));
    while (replay.numReady >= taken) found.push(...describeSamples(replay.take(taken)!));
  }
  while (replay.numReady > 0) found.push(...describeSamples(replay.take(taken)!));
  return found;
}

/** Draws a log in which half of the rows are clicked, and a third of these convert. */
function drawLog(count: number): readonly Row[] {
  const random = randomStream(3, 'replay test');
  let hours = 0;
  return Array.from({ length: count }, (): Row => {
    hours += Math.floor(random.uniform() * 8) / 8;
    const click = random.below(2);
    const bought = click === 1 && random.below(3) === 0 ? hours + random.below(40) : undefined;
    return { at: hours, click, bought };
  });
}

/** Sorts all samples of a log by time, as a table: the definition of a replay. */
function sortAll(rows: readonly Row[]): string[] {
  const last = Math.max(...rows.map(({ at }) => at!));
  const samples = rows.flatMap(({ at, click, bought }, number) => {
    const items = Array.from({ length: number % 3 }, (_, k) => 100 * number + k).join('+');
    const sample = (time: number, text: string) => ({ time, text: `${number}[${items}] ${text}` });
    const first = sample(at!, '100 000');
    if (click === 0) return [first];
    const delay = bought === undefined || bought - at! > 24 ? undefined : bought - at!;
    const isEarly = delay !== undefined && delay <= 1;
    const late = delay !== undefined && !isEarly ? [sample(at! + delay, '011 100')] : [];
    return [
      first,
      sample(at! + 1, isEarly ? '011 101' : '001 100'),
      ...late,
      sample(at! + 24, `0${delay === undefined ? 0 : 1}1 01${isEarly ? 1 : 0}`),
    ];
  });
  // The sort is stable: samples of the same time keep the order of the rows.
  return samples
    .filter(({ time }) => time <= last)
    .sort((a, b) => a.time - b.time)
    .map(({ text }) => text);
}

describe('replay of a log', () => {
  const log = drawLog(3000);

  it.each([
    [1, 1],
    [7, 64],
    [1024, 100],
    [3000, 5000],
  ])('orders all samples by time, for %i rows added and %i samples taken at once', (added, taken) => {
    expect(replayAll(log, added, taken)).toEqual(sortAll(log));
  });

  it('keeps only the rows with samples that are not taken', () => {
    const long = drawLog(40_000);
    const replay = new LogReplay(new RowSamples(TASKS));
    let most = 0;
    for (let row = 0; row < long.length; row += 500) {
      replay.add(encode(long.slice(row, row + 500), row));
      while (replay.numReady > 0) replay.take(500);
      most = Math.max(most, replay.numRows);
    }
    // Rows are removed together, 4096 or more. 24 hours have about 55 rows, of which half wait.
    expect(most).toBeLessThan(4096 + 500 + 100);
  });

  it('gives a row without a click time the time of the row before it', () => {
    expect(
      replayAll(
        [
          { at: 1, click: 1 },
          { at: undefined, click: 0 },
          { at: 2, click: 0 },
        ],
        1,
        8,
      ),
    ).toEqual(['0[] 100 000', '1[100] 100 000', '0[] 001 100', '2[200+201] 100 000']);
  });

  it.each([
    [
      'an earlier row after a later one',
      [
        { at: 2, click: 1 },
        { at: 1, click: 1 },
      ],
      /row 2 .*column at.*earlier row.*sort/s,
    ],
    ['a click without a time', [{ at: undefined, click: 1 }], /row 1 .*column at.*missing time/s],
    ['a conversion before its click', [{ at: 2, click: 1, bought: 1 }], /row 1 .*column bought.*before at/s],
  ] as const)('rejects %s with its row and column', (_, rows, message) => {
    expect(() => new LogReplay(new RowSamples(TASKS)).add(encode(rows))).toThrow(message);
  });
});
