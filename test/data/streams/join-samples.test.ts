import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listTasks } from '../../../src/config/experiment.js';
import { parseConfig } from '../../../src/config/load.js';
import { randomStream } from '../../../src/core/random.js';
import type { ChunkStream } from '../../../src/data/streams/chunk-stream.js';
import { RECORD_COLUMN, type JoinObserver } from '../../../src/data/streams/join-observer.js';
import { checkJoinedDelays, joinedSamples } from '../../../src/data/streams/joined-samples.js';
import { joinStreams } from '../../../src/data/streams/joined-stream.js';
import type { StreamCursor } from '../../../src/data/streams/record-stream.js';
import { openChunkStream } from '../../../src/data/streams/streams.js';
import { delays } from '../../../src/delay/delays.js';
import {
  delayOptions,
  drawImpressions,
  JOINED_DATA,
  listSamples,
  writeLogs,
  type Impression,
} from '../../support/delayed-logs.js';
import { scratchFolder } from '../../support/scratch.js';

const CTR = '  ctr: { label: click }\n';
const cvrOf = (method: string): string =>
  `  cvr: { label: buy, given: click, delay: ${delayOptions(method, 'click_time')} }\n`;

// Rows that are clicks.
const CLICKED_CVR = `  cvr: { label: buy, delay: ${delayOptions('fnw', 'at')} }\n`;
const CLICKS_DATA = JOINED_DATA.replace(/ +click: .*\n/, '').replace(', after: click', '');

/** Returns the tasks and the join of a config. */
function planOf(tasks: string, data = JOINED_DATA) {
  const text = `${data}features:
  f: { type: categorical, fields: [item] }
tasks:
${tasks}model: { name: shared-bottom }
training: { shuffle: false }
`;
  const experiment = parseConfig(text, 'config.yaml');
  return { tasks: listTasks(experiment), options: experiment.data.join! };
}

async function openJoined(
  rows: readonly Impression[],
  end: number,
  tasks: string,
  data = JOINED_DATA,
): Promise<ChunkStream> {
  const folder = scratchFolder();
  writeLogs(folder, rows, end, true);
  const plan = planOf(tasks, data);
  const columns = ['id', 'at'];
  const open = (name: string): Promise<ChunkStream> =>
    openChunkStream(join(folder, `${name}.csv`), { columns, dialect: {} });
  const [log, ...events] = await Promise.all(
    ['rows', ...Object.keys(plan.options.events).map((event) => `${event}s`)].map(open),
  );
  return joinStreams(log!, events, columns, plan.options, joinedSamples(plan.tasks, plan.options));
}

/** Reads all records as texts, with the position after each. */
async function readAll(stream: ChunkStream, from?: StreamCursor, observer?: JoinObserver) {
  const records: string[] = [];
  const cursors: StreamCursor[] = [];
  const numbers: number[] = [];
  const reading = {
    from,
    ...(observer && { observers: [observer] }),
    endsWhenEmpty: true,
    signal: new AbortController().signal,
    onWarning: () => undefined,
  };
  for await (const { chunk, columns, cursorAfter } of stream.read(reading)) {
    expect(chunk.invalid ?? []).toEqual([]);
    for (let row = 0; row < chunk.rows; row++) {
      records.push(columns.header.map((name) => chunk.columns.get(name)!.text(row)).join('|'));
      cursors.push(JSON.parse(JSON.stringify(cursorAfter(row + 1, true))));
      numbers.push(Number(chunk.columns.get(RECORD_COLUMN)?.text(row)));
    }
  }
  return { records, cursors, numbers };
}

/** An observer that lists what it receives. */
function createObserver() {
  const rows = new Map<string, number>();
  const events: (readonly [event: string, id: string, time: string, record: number])[] = [];
  const read: number[] = [];
  const observer: JoinObserver = {
    onRow: (record, cell) => void rows.set(cell('id'), record),
    onEvent: (record, event, cell) => void events.push([event, cell('id'), cell(`${event}_time`), record]),
    onRead: (record) => void read.push(record),
  };
  return { observer, rows, events, read };
}

/** Formats the samples of a method up to a time. */
const expectedRecords = (method: string, rows: readonly Impression[], end: number): readonly string[] =>
  listSamples(method, rows, end).map(({ row, number, click, buy }) =>
    [row.id, row.at, click === undefined ? 0 : 1, click, buy === undefined ? 0 : 1, buy, number]
      .map((value) => value ?? '')
      .join('|'),
  );

describe('a join of logs with delayed labels', () => {
  const rows = drawImpressions(1, 2000);
  const [first, last] = [rows[0]!.at, rows.at(-1)!.at];

  it.each(delays.names)('has the samples of %s in order of time, with the events that had happened', async (method) => {
    const end = first + 0.9 * (last - first);
    const { records } = await readAll(await openJoined(rows, end, CTR + cvrOf(method)));
    const expected = expectedRecords(method, rows, end);
    expect(expected.length).toBeGreaterThan(2000);
    expect(records).toEqual(expected);
  });

  it('gives an observer each record when it is read, with the same number from any position', async () => {
    const stream = await openJoined(rows, last, CTR + cvrOf('es-dfm'));
    const whole = createObserver();
    const { records, cursors, numbers } = await readAll(stream, undefined, whole.observer);
    expect(whole.read).toEqual(whole.read.map((_, r) => r));
    // All samples of a row have its number.
    expect(numbers).toEqual(records.map((text) => whole.rows.get(text.split('|')[0]!)));
    expect(new Set(numbers).size).toBeLessThan(0.9 * numbers.length);
    const clicked = new Map(rows.flatMap(({ id, click }) => (click === undefined ? [] : [[id, String(click)]])));
    const clicks = whole.events.filter(([event]) => event === 'click');
    expect(clicks.length).toBeGreaterThan(300);
    for (const [, id, time, record] of clicks) {
      expect(time).toBe(clicked.get(id));
      expect(record).toBeGreaterThan(whole.rows.get(id)!);
    }
    for (const at of [0, 700, records.length - 100]) {
      const part = createObserver();
      const rest = await readAll(stream, cursors[at], part.observer);
      expect([at, rest.numbers]).toEqual([at, numbers.slice(at + 1)]);
      expect(part.read).toEqual(whole.read.slice(part.read[0]));
    }
  });

  it('has only samples of delayed tasks if there are no others', async () => {
    const { records } = await readAll(await openJoined(rows, last, cvrOf('es-dfm')));
    const isOwn = (_: string, i: number): boolean => samples[i]!.time > samples[i]!.row.known;
    const samples = listSamples('es-dfm', rows, last);
    const expected = expectedRecords('es-dfm', rows, last)
      .filter(isOwn)
      .map((text) => text.replace(/\d+$/, (number) => String(Number(number) - 1)));
    expect(records).toEqual(expected);
  });

  it('takes the time of the row as that of the click, and orders equal times by row', async () => {
    const clicks = rows.map((row) => {
      const at = 900 * Math.floor(row.at / 900);
      return { ...row, at, click: at, known: at };
    });
    const { records } = await readAll(await openJoined(clicks, last, CLICKED_CVR, CLICKS_DATA));
    const expected = listSamples('fnw', clicks, last).map(({ row, number, buy }) =>
      [row.id, row.at, buy === undefined ? 0 : 1, buy ?? '', number].join('|'),
    );
    expect(records).toEqual(expected);
  });

  it('goes on after any record, also if logs are not in order', { timeout: 120_000 }, async () => {
    const random = randomStream(2, 'out of order');
    const many = drawImpressions(3, 2400).flatMap((row) =>
      [0, 1, 2, 3, 4].map((copy) => ({ ...row, id: `${row.id}.${copy}` })),
    );
    // After one of the future, all are late for hours.
    many[4000] = { ...many[4000]!, at: many[4000]!.at + 18_000 };
    for (let swap = 0; swap < 400; swap++) {
      const at = swap < 100 ? 4050 + random.below(150) : random.below(many.length - 50);
      [many[at], many[at + 40]] = [many[at + 40]!, many[at]!];
    }
    const stream = await openJoined(many, last + 1e6, CTR + cvrOf('es-dfm'));
    const { records, cursors } = await readAll(stream);
    expect(records.length).toBeGreaterThan(12_000);
    for (let trial = 0; trial < 6; trial++) {
      const at = trial < 2 ? [records.length - 1, 12_000][trial]! : random.below(records.length);
      const rest = await readAll(stream, cursors[at]);
      expect([at, rest.records]).toEqual([at, records.slice(at + 1)]);
      if (rest.records.length < 2) continue;
      const next = random.below(rest.records.length);
      const end = await readAll(stream, rest.cursors[next]);
      expect([at, next, end.records]).toEqual([at, next, records.slice(at + next + 2)]);
    }
  });
});

describe('delayed tasks of joined logs', () => {
  const problems = (tasks: string, data = JOINED_DATA): readonly string[] => {
    const { tasks: all, options } = planOf(tasks, data);
    return [...checkJoinedDelays(all, options)].map(({ key, message, fix }) => `${key}: ${message}; ${fix}`);
  };
  const cvr = cvrOf('fnw');

  it.each([
    ['no problem', CTR + cvr, JOINED_DATA, []],
    ['no problem of rows that are clicks', CLICKED_CVR, CLICKS_DATA, []],
    [
      'another format',
      CTR + cvr.replace('format: seconds', 'format: iso'),
      JOINED_DATA,
      ['tasks.cvr.delay.format: is iso, not that of data.join; set it to seconds'],
    ],
    [
      'an unknown click',
      CTR + cvr.replace('from: click_time', 'from: clicked').replace('given: click, ', ''),
      JOINED_DATA.replace(', after: click', ''),
      [
        'tasks.cvr.delay.from: clicked is not a time of data.join; use at or click_time or buy_time',
        'data.join.events.click: may happen after clicked, when rows with a delayed label are first trained on; ' +
          'add delay to the task that it is the label of, or remove it',
      ],
    ],
    [
      'an unknown conversion',
      CTR + cvr.replace('event: buy_time', 'event: bought'),
      JOINED_DATA,
      [
        'tasks.cvr.delay.event: bought is not a time of data.join; use click_time or buy_time',
        'data.join.events.buy: may happen after click_time, when rows with a delayed label are first trained on; ' +
          'add delay to the task that it is the label of, or remove it',
      ],
    ],
    [
      'a conversion that is not after the click',
      CTR + cvr,
      JOINED_DATA.replace(', after: click', ''),
      ['data.join.events.buy.after: is not the event that tasks.cvr.delay.from names; set it to click'],
    ],
    [
      'conversions within less than the window',
      CTR + cvr,
      JOINED_DATA.replace('within: 36h', 'within: 35h'),
      [
        'data.join.events.buy.within: is shorter than tasks.cvr.delay.window, so that later conversions would be ' +
          'lost; set both to the same duration',
      ],
    ],
    [
      'rows that are not known to be clicked',
      CTR + cvr.replace('given: click, ', ''),
      JOINED_DATA,
      ['tasks.cvr.given: is missing, but delay is from click_time; set it to the task with label click'],
    ],
  ])('%s', (_, tasks, data, expected) => {
    expect(problems(tasks, data)).toEqual(expected);
  });
});
