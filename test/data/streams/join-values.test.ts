import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Column } from '../../../src/chunks/column.js';
import { joinOptions } from '../../../src/data/join-options.js';
import type { ChunkStream, StreamChunk } from '../../../src/data/streams/chunk-stream.js';
import { joinStreams } from '../../../src/data/streams/joined-stream.js';
import { openChunkStream } from '../../../src/data/streams/streams.js';
import { NOT_TEXT } from '../../../src/features/parse.js';
import { scratchFolder } from '../../support/scratch.js';

const COLUMNS = ['id', 'at', 'plain', 'mixed', 'pad'];
const NUM_ROWS = 6000;

/** JSON of values without escapes, undefined for a key that is missing, and their texts. */
const PLAIN = [
  ['"word"', 'word'],
  ['""', ''],
  ['null', ''],
  [undefined, ''],
  ['"é漢😀"', 'é漢😀'],
  ['7', '7'],
  ['1.50', '1.50'],
  ['-0.25', '-0.25'],
  ['"007"', '007'],
  ['123456789012345678', '123456789012345678'],
] as const;
const MIXED = [
  ...PLAIN,
  ['"\\u00e9\\n\\"q\\""', 'é\n"q"'],
  ['"\\ud83d\\ude00"', '😀'],
  ['"a\\ud83d"', `a${NOT_TEXT}`],
  ['true', 'true'],
  ['[1, "x"]', '[1, "x"]'],
] as const;

const object = (entries: readonly (readonly [string, string | undefined])[]): string =>
  `{${entries.flatMap(([name, value]) => (value === undefined ? [] : [`"${name}":${value}`])).join()}}\n`;

/** Writes rows whose keys are escaped, and an event, whose key is not, of every third one. */
async function openJoined(pad: number): Promise<ChunkStream> {
  const folder = scratchFolder();
  const write = (name: string, lines: readonly string[]): string => {
    const path = join(folder, name);
    writeFileSync(path, lines.join(''));
    return path;
  };
  const lines = Array.from({ length: NUM_ROWS }, (_, r) =>
    object([
      ['pad', `"${'x'.repeat(pad)}"`],
      ['id', `"k\\u00e9 ${r}"`],
      ['mixed', MIXED[r % MIXED.length]![0]],
      ['at', String(1000 + r)],
      ['plain', PLAIN[r % PLAIN.length]![0]],
    ]),
  );
  const events = Array.from({ length: NUM_ROWS / 3 }, (_, e) =>
    object([
      ['at', String(1000 + 3 * e + 5000)],
      ['id', `"ké ${3 * e}"`],
    ]),
  );
  const rows = write('rows.jsonl', lines);
  const buys = write('buys.jsonl', [...events, object([['at', '9999999']])]);
  const options = joinOptions.parse({
    key: 'id',
    time: 'at',
    timeFormat: 'milliseconds',
    events: { buy: { file: 'buys', within: '6s' } },
    memory: 1,
  });
  const log = await openChunkStream(rows, { columns: COLUMNS, dialect: {} });
  const event = await openChunkStream(buys, { columns: ['id', 'at'], dialect: {} });
  return joinStreams(log, [event], COLUMNS, options);
}

async function* readChunks(stream: ChunkStream): AsyncGenerator<StreamChunk> {
  const signal = new AbortController().signal;
  yield* stream.read({ from: undefined, endsWhenEmpty: true, signal, onWarning: () => undefined });
}

/** Compares what a column stores with its text. */
function checkStored({ utf8, numbers, text }: Column, row: number): void {
  const written = text(row);
  if (utf8 !== undefined && !written.includes(NOT_TEXT)) {
    const { bytes, begins, ends, stride, gap } = utf8;
    expect(Buffer.from(bytes.slice(begins[row * stride]! + gap, ends[row * stride])).toString()).toBe(written);
  }
  const number = numbers?.values[row] ?? NaN;
  if (Number.isNaN(number)) return;
  expect(number).toBe(Number(written));
  if (Number.isInteger(number)) expect(written).toBe(String(number));
}

describe('values of joined rows', () => {
  it.each([
    ['in memory', 0],
    // 18 MB, of which 8 MiB may be in memory.
    ['on disk', 3000],
  ])('are those of the log (%s)', async (_, pad) => {
    let numBuys = 0;
    const read = new Set<number>();
    for await (const { chunk } of readChunks(await openJoined(pad))) {
      const column = (name: string): Column => chunk.columns.get(name)!;
      expect(chunk.invalid).toEqual([]);
      for (let row = 0; row < chunk.rows; row++) {
        const r = Number(column('id').text(row).slice(3));
        read.add(r);
        const isBought = r % 3 === 0;
        if (isBought) numBuys++;
        const [buy, time] = isBought ? ['1', String(1000 + r + 5000)] : ['0', ''];
        const expected = [`ké ${r}`, String(1000 + r), PLAIN[r % PLAIN.length]![1], MIXED[r % MIXED.length]![1]];
        expect(chunk.cellsOf(row)).toEqual([...expected, 'x'.repeat(pad), buy, time]);
        for (const each of chunk.columns.values()) checkStored(each, row);
      }
    }
    expect([read.size, numBuys]).toEqual([NUM_ROWS, NUM_ROWS / 3]);
  });

  it('are bytes and numbers, so that encoders read no texts', async () => {
    let numRows = 0;
    for await (const { chunk } of readChunks(await openJoined(0))) {
      if (chunk.rows < 100) continue;
      numRows += chunk.rows;
      for (const name of COLUMNS) expect(chunk.columns.get(name)!.utf8, name).toBeDefined();
      for (const name of ['at', 'buy', 'buy_time'])
        expect(
          chunk.columns.get(name)!.numbers!.values.some((value) => value > 0),
          name,
        ).toBe(true);
    }
    expect(numRows).toBeGreaterThan(NUM_ROWS / 2);
  });

  it('are refused if the key is missing, or the time is a Boolean', async () => {
    const folder = scratchFolder();
    const path = join(folder, 'rows.jsonl');
    const lines = ['{"at":1}', '{"id":null,"at":2}', '{"id":"","at":3}', '{"id":"a","at":true}', '{"id":"b","at":5}'];
    writeFileSync(path, `${lines.join('\n')}\n`);
    const options = joinOptions.parse({
      key: 'id',
      time: 'at',
      timeFormat: 'milliseconds',
      events: { buy: { file: 'buys', within: '6s' } },
    });
    const log = await openChunkStream(path, { columns: ['id', 'at'], dialect: {} });
    const events = join(folder, 'buys.jsonl');
    writeFileSync(events, '{"id":"z","at":99999}\n');
    const event = await openChunkStream(events, { columns: ['id', 'at'], dialect: {} });
    const found: string[] = [];
    for await (const { chunk, placeOf } of readChunks(joinStreams(log, [event], ['id', 'at'], options))) {
      for (const { line, expected } of chunk.invalid!) found.push(`${placeOf!(line).line}: ${expected}`);
      for (let row = 0; row < chunk.rows; row++) found.push(chunk.cellsOf(row).join('|'));
    }
    expect(found).toEqual(['1: a id', '2: a id', '3: a id', '4: a number of milliseconds since 1970 in at', 'b|5|0|']);
  });
});
