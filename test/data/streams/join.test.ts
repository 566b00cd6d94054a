import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { randomStream } from '../../../src/core/random.js';
import { joinOptions, joinedColumns, type JoinOptions } from '../../../src/data/join-options.js';
import { joinStreams } from '../../../src/data/streams/joined-stream.js';
import type { ChunkStream } from '../../../src/data/streams/chunk-stream.js';
import type { StreamCursor } from '../../../src/data/streams/record-stream.js';
import { CellBytes } from '../../../src/data/streams/cell-bytes.js';
import { RowPacker } from '../../../src/data/streams/packed-row.js';
import { blockOffset, SpilledRows } from '../../../src/data/streams/spilled-rows.js';
import { openChunkStream } from '../../../src/data/streams/streams.js';
import { WaitingRows } from '../../../src/data/streams/waiting-rows.js';
import { scratchFolder } from '../../support/scratch.js';

const dialect = {};

interface Row {
  readonly id: string;
  readonly at: number;
  readonly text: string;
}
interface Event {
  readonly id: string;
  readonly at: number;
}
interface Logs {
  readonly rows: readonly Row[];
  readonly clicks: readonly Event[];
  readonly purchases: readonly Event[];
}

const [CLICK_MS, PURCHASE_MS] = [300_000, 2_000_000];
const options = (more: object = {}): JoinOptions =>
  joinOptions.parse({
    key: 'id',
    time: 'at',
    timeFormat: 'milliseconds',
    events: {
      click: { file: 'clicks', within: '300s' },
      purchase: { file: 'purchases', within: '2000s', after: 'click' },
    },
    ...more,
  });

/** Logs in order of time, with events of unknown rows, repeated ones, early and late ones. All times differ. */
function randomLogs(seed: number, numRows: number, pad = 0): Logs {
  const random = randomStream(seed);
  const times = new Set<number>();
  const unique = (at: number): number => {
    let time = Math.round(at);
    while (times.has(time)) time++;
    times.add(time);
    return time;
  };
  const rows: Row[] = [];
  const clicks: Event[] = [];
  const purchases: Event[] = [];
  for (let r = 0, at = 0; r < numRows; r++) {
    at += random.uniform() * 5000;
    const row = { id: `row ${r}`, at: unique(at), text: 'x'.repeat(pad) + String(r) };
    rows.push(row);
    for (let click = row.at; random.uniform() < 0.4;) {
      click = unique(click + (random.uniform() - 0.1) * CLICK_MS);
      clicks.push({ id: random.uniform() < 0.05 ? 'nobody' : row.id, at: click });
      if (random.uniform() < 0.5)
        purchases.push({ id: row.id, at: unique(click + (random.uniform() - 0.1) * PURCHASE_MS * 1.2) });
    }
  }
  const byTime = (a: Event, b: Event): number => a.at - b.at;
  return { rows, clicks: clicks.sort(byTime), purchases: purchases.sort(byTime) };
}

/** What the definition of the join says, without any state: for each row, its events and when they are certain. */
function expectedRecords({ rows, clicks, purchases }: Logs): readonly string[] {
  const end = Math.max(...[...rows, ...clicks, ...purchases].map(({ at }) => at));
  const findFirst = (events: readonly Event[], id: string, from: number, within: number): number | undefined =>
    events.find((each) => each.id === id && each.at >= from && each.at <= from + within)?.at;
  return rows
    .map(({ id, at, text }, number) => {
      const click = findFirst(clicks, id, at, CLICK_MS);
      const purchase = click === undefined ? undefined : findFirst(purchases, id, click, PURCHASE_MS);
      const certain = purchase ?? (click === undefined ? at + CLICK_MS : click + PURCHASE_MS);
      const record = [text, id, at, click === undefined ? 0 : 1, click, purchase === undefined ? 0 : 1, purchase];
      return { number, certain, isAtOnce: purchase !== undefined, record };
    })
    .filter(({ certain, isAtOnce }) => (isAtOnce ? certain <= end : certain < end))
    .sort((a, b) => a.certain - b.certain || Number(b.isAtOnce) - Number(a.isAtOnce) || a.number - b.number)
    .map(({ record }) => record.map((value) => value ?? '').join('|'));
}

async function openJoined(folder: string, logs: Logs, join_ = options()): Promise<ChunkStream> {
  const write = (name: string, header: string, lines: readonly string[]): string => {
    const path = join(folder, `${name}.csv`);
    writeFileSync(path, [header, ...lines, ''].join('\n'));
    return path;
  };
  const rows = write(
    'rows',
    'id,at,text',
    logs.rows.map(({ id, at, text }) => `${id},${at},${text}`),
  );
  const events = [logs.clicks, logs.purchases].map((each, e) =>
    write(
      ['clicks', 'purchases'][e]!,
      'at,id',
      each.map(({ id, at }) => `${at},${id}`),
    ),
  );
  const columns = ['text', 'id', 'at'];
  return joinStreams(
    await openChunkStream(rows, { columns, dialect }),
    await Promise.all(events.map((path) => openChunkStream(path, { columns: ['id', 'at'], dialect }))),
    columns,
    join_,
  );
}

interface Read {
  readonly records: readonly string[];
  readonly cursors: readonly StreamCursor[];
  readonly warnings: readonly string[];
}

/** Reads all records, with the position after each. */
async function readAll(stream: ChunkStream, from?: StreamCursor): Promise<Read> {
  const records: string[] = [];
  const cursors: StreamCursor[] = [];
  const warnings: string[] = [];
  const onWarning = (text: string): void => void warnings.push(text);
  const signal = new AbortController().signal;
  for await (const each of stream.read({ from, endsWhenEmpty: true, signal, onWarning })) {
    const { chunk } = each;
    const names = each.columns.header;
    let invalid = 0;
    for (let row = 0; row <= chunk.rows; row++) {
      for (; chunk.invalid?.[invalid] !== undefined && chunk.invalid[invalid]!.before === row; invalid++) {
        const { line, expected, cells } = chunk.invalid[invalid]!;
        const place = each.placeOf!(line);
        records.push(`invalid ${place.path.split('/').at(-1)!}:${place.line} ${expected}: ${cells.join()}`);
        cursors.push(each.cursorAfter(row, row < chunk.rows));
      }
      if (row === chunk.rows) break;
      records.push(names.map((name) => chunk.columns.get(name)!.text(row)).join('|'));
      cursors.push(JSON.parse(JSON.stringify(each.cursorAfter(row + 1, true))));
    }
  }
  return { records, cursors, warnings };
}

describe('a join of logs', () => {
  it.each([1, 2, 3, 4])('equals its definition (seed %i)', async (seed) => {
    const logs = randomLogs(seed, 3000);
    const { records } = await readAll(await openJoined(scratchFolder(), logs));
    const expected = expectedRecords(logs);
    expect(expected.length).toBeGreaterThan(2000);
    expect(records).toEqual(expected);
  });

  it('goes on after any record', async () => {
    const logs = randomLogs(7, 12_000);
    const stream = await openJoined(scratchFolder(), logs);
    const { records, cursors } = await readAll(stream);
    const random = randomStream(1);
    for (let trial = 0; trial < 25; trial++) {
      const at = trial === 0 ? records.length - 1 : Math.floor(random.uniform() * records.length);
      const rest = await readAll(stream, cursors[at]);
      expect([at, rest.records]).toEqual([at, records.slice(at + 1)]);
      if (rest.records.length < 2) continue;
      const next = Math.floor(random.uniform() * rest.records.length);
      const last = await readAll(stream, rest.cursors[next]);
      expect([at, next, last.records]).toEqual([at, next, records.slice(at + next + 2)]);
    }
  });

  it('refuses a key that occurs twice also if it is resumed after the first row', async () => {
    const rows = Array.from({ length: 10_000 }, (_, r) => ({ id: `row ${r}`, at: 400 * r, text: String(r) }));
    // Waits beyond the next position from which the join can begin, and ends before all others.
    const [first, clickedMs] = [rows[4000]!, 400 * 4000 + 1];
    const clicks = [{ id: first.id, at: clickedMs }];
    const purchases = [{ id: first.id, at: clickedMs + 100_000 }];
    rows[4200] = { ...rows[4200]!, id: first.id };
    const stream = await openJoined(scratchFolder(), { rows, clicks, purchases });
    const { records, cursors } = await readAll(stream);
    expect(records.filter((each) => each.startsWith('invalid'))).toHaveLength(1);
    for (let at = 4300; at < records.length; at += 500) {
      const rest = await readAll(stream, cursors[at]);
      expect([at, rest.records]).toEqual([at, records.slice(at + 1)]);
    }
  });

  it('keeps the oldest rows on disk', async () => {
    const logs = randomLogs(3, 6000, 3000);
    const { records } = await readAll(await openJoined(scratchFolder(), logs, options({ memory: 1 })));
    expect(records).toEqual(expectedRecords(logs));
  });

  it('reports records without a time or key, and keys that occur twice', async () => {
    const logs = randomLogs(5, 2000);
    const [first, second] = logs.rows as [Row, Row];
    const rows = [
      first,
      { ...second, id: '' },
      { ...second, id: first.id },
      { id: 'odd', at: NaN, text: 'odd' },
      ...logs.rows.slice(2),
    ];
    const clicks = [{ id: first.id, at: NaN }, ...logs.clicks];
    const stream = await openJoined(scratchFolder(), { ...logs, rows, clicks });
    const { records } = await readAll(stream);
    const invalid = records.filter((each) => each.startsWith('invalid'));
    expect(invalid).toEqual([
      `invalid clicks.csv:2 a number of milliseconds since 1970 in at: NaN,${first.id}`,
      `invalid rows.csv:3 a id: ,${second.at},${second.text}`,
      `invalid rows.csv:4 a id that no waiting row has: ${first.id},${second.at},${second.text}`,
      'invalid rows.csv:5 a number of milliseconds since 1970 in at: odd,NaN,odd',
    ]);
    expect(records.filter((each) => !each.startsWith('invalid'))).toEqual(
      expectedRecords({ ...logs, rows: [first, ...logs.rows.slice(2)] }),
    );
  });

  it('goes on after rows that are late because of an invalid one', async () => {
    const row = (name: string, i: number, at: number): Row => ({ id: `${name} ${i}`, at, text: '' });
    const early = Array.from({ length: 4096 }, (_, i) => row('early', i, i));
    const invalid = { id: '', at: 7_200_000, text: '' };
    const late = Array.from({ length: 5000 }, (_, i) => row('late', i, 6_600_000 - 1000 * i));
    const rows = [...early.slice(0, -1), invalid, early.at(-1)!, ...late, row('last', 0, 10_800_000)];
    const stream = await openJoined(scratchFolder(), { rows, clicks: [], purchases: [] });
    const { records, cursors } = await readAll(stream);
    expect(records.slice(-late.length).map((each) => each.split('|')[1])).toEqual(late.map(({ id }) => id));
    for (const at of [1, 4095, 4096, 4097, 8300, 9000])
      expect([at, (await readAll(stream, cursors[at])).records]).toEqual([at, records.slice(at + 1)]);
  });

  it('warns if most events have no row', async () => {
    const logs = randomLogs(5, 100);
    const clicks = Array.from({ length: 11_000 }, (_, i) => ({ id: `other ${i}`, at: i }));
    const { warnings } = await readAll(await openJoined(scratchFolder(), { ...logs, clicks, purchases: [] }));
    expect(warnings).toEqual([expect.stringMatching(/^data\.join\.events\.click: \S+% of [\d,]+ events have no row/)]);
  });

  it('names the columns that it adds', () => {
    expect(joinedColumns(options())).toEqual(['click', 'click_time', 'purchase', 'purchase_time']);
  });
});

describe('rows on disk', () => {
  it('take at most the memory that is permitted', () => {
    const rows = new SpilledRows(1 << 23);
    onTestFinished(() => rows.close());
    const random = randomStream(2);
    const kept = new Map<number, Uint32Array>();
    for (let i = 0; i < 40_000; i++) {
      const words = Uint32Array.from({ length: 1 + random.below(500) }, (_, w) => 1000 * i + w);
      kept.set(rows.add(words, words.length), words);
      expect(rows.memoryBytes).toBeLessThanOrEqual(1 << 23);
      if (kept.size < 20_000) continue;
      // Not in the order of additions.
      for (const address of [...kept.keys()].filter(() => random.uniform() < 0.5)) {
        const known = kept.get(address)!;
        const begin = blockOffset(address) / 4;
        const found = rows.memoryOf(address, known.length).words.subarray(begin, begin + known.length);
        expect(found.every((word, w) => word === known[w])).toBe(true);
        rows.remove(address);
        kept.delete(address);
      }
    }
  });
});

describe('waiting rows', () => {
  it('are found by key after random additions and removals', () => {
    const random = randomStream(11);
    const rows = new WaitingRows(1, 1);
    const packer = new RowPacker(2);
    const cells = [new CellBytes(), new CellBytes()] as const;
    const known = new Map<string, number>();
    for (let step = 0; step < 30_000; step++) {
      const key = `k${Math.floor(random.uniform() * 3000)}`;
      for (const [c, text] of [String(step), key].entries()) cells[c]!.start({ type: 'string', text: () => text });
      packer.pack(cells, 0);
      const slot = rows.find(cells[1]);
      expect(slot).toBe(known.get(key));
      const place = { path: `path ${step % 3}`, line: step };
      if (slot === undefined)
        known.set(key, rows.add(packer, cells[1], { place, number: step, timeMs: step, record: 2 * step }));
      else if (random.uniform() < 0.6) {
        const number = rows.columns.numbers[slot]!;
        expect(rows.placeOf(slot)).toEqual({ path: `path ${number % 3}`, line: number });
        rows.remove(slot);
        expect(rows.columns.records[slot]).toBe(2 * number);
        known.delete(key);
      }
    }
    for (let k = 0; k < 3000; k++) {
      const key = new CellBytes();
      key.start({ type: 'string', text: () => `k${k}` });
      key.read(0);
      expect(rows.find(key)).toBe(known.get(`k${k}`));
    }
    rows.close();
  });
});
