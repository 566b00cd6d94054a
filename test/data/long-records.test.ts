import { execFileSync, spawn } from 'node:child_process';
import { appendFileSync, closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { DeadLetters } from '../../src/data/streams/dead-letters.js';
import { recordChunks } from '../../src/data/streams/record-chunks.js';
import { firstStreamState } from '../../src/data/streams/stream-state.js';
import { openChunkStream } from '../../src/data/streams/streams.js';
import type { ChunkStream } from '../../src/data/streams/chunk-stream.js';
import { scratchFolder } from '../support/scratch.js';

// Records of a stream that are longer than a row may be.

const OPENING = { columns: ['a', 'b'], dialect: {} };
const LIMIT = 1 << 20;
const FORMATS = {
  jsonl: { header: '', row: (a: string) => `{"a":"${a}","b":1}\n` },
  csv: { header: 'a,b\n', row: (a: string) => `${a},1\n` },
};
type Format = keyof typeof FORMATS;

/** What was read: rows and the beginnings of invalid records, with their lines, and the position after each row. */
interface Found {
  readonly records: string[];
  readonly cursors: unknown[];
  /** Position after all that was read. */
  end: unknown;
}

async function readAll(stream: ChunkStream, from?: unknown): Promise<Found> {
  const found: Found = { records: [], cursors: [], end: from };
  const reading = { from, endsWhenEmpty: true, signal: new AbortController().signal, onWarning: () => undefined };
  for await (const { chunk, line, cursorAfter } of stream.read(reading)) {
    const invalid = (chunk.invalid ?? []).map(({ before, line: own, expected, cells }) => ({
      at: before - 0.5,
      text: `${line + own} ${expected}: ${cells[0]!.slice(0, 6)} ${/\(.*\)$/.exec(cells[0]!)?.[0]}`,
    }));
    const rows = Array.from({ length: chunk.rows }, (_, at) => ({
      at,
      text: `${line + (chunk.lines?.[at] ?? at)} ${chunk.columns.get('a')!.text(at)}`,
    }));
    found.records.push(...[...rows, ...invalid].sort((a, b) => a.at - b.at).map(({ text }) => text));
    for (let row = 1; row <= chunk.rows; row++) found.cursors.push(structuredClone(cursorAfter(row, true)));
    found.end = structuredClone(cursorAfter(chunk.rows));
  }
  await stream.close();
  return found;
}

/** Rows around records beyond the limit. */
const textOf = (format: Format): string => {
  const { header, row } = FORMATS[format];
  return header + row('x') + row('y'.repeat(3_000_000)) + row('z') + row('w'.repeat(1_100_000)) + row('v');
};
/** The rest of a record after its first value. */
const REST = { jsonl: '","b":1}'.length + '{"a":"'.length, csv: ',1'.length };
function expectedRecords(format: Format): readonly string[] {
  const first = format === 'csv' ? 2 : 1;
  const beginning = (letter: string): string => (format === 'csv' ? letter.repeat(6) : `{"a":"`);
  const long = (line: number, letter: string, bytes: number): string =>
    `${line} a row of at most ${LIMIT} bytes: ${beginning(letter)} (the beginning of ${bytes} bytes)`;
  return [
    `${first} x`,
    long(first + 1, 'y', 3_000_000 + REST[format]),
    `${first + 2} z`,
    long(first + 3, 'w', 1_100_000 + REST[format]),
    `${first + 4} v`,
  ];
}

describe.each(['jsonl', 'csv'] as const)('a record of more than 1 MiB in %s', (format) => {
  const write = (text: string): string => {
    const folder = scratchFolder();
    writeFileSync(join(folder, `part-0.${format}`), text);
    return folder;
  };

  it('is an invalid record of a growing file, and a read continues at every row', async () => {
    const folder = write(textOf(format));
    const whole = await readAll(await openChunkStream(folder, OPENING));
    expect(whole.records).toEqual(expectedRecords(format));
    // The records after the position of row 1, 2 and 3.
    for (const [row, count] of [1, 3, 5].entries()) {
      const rest = await readAll(await openChunkStream(folder, OPENING), whole.cursors[row]);
      expect(rest.records).toEqual(whole.records.slice(count));
      expect(rest.end).toEqual(whole.end);
    }
  });

  it('is read once it is complete, wherever a process ended while it was written', async () => {
    const text = textOf(format);
    const whole = await readAll(await openChunkStream(write(text), OPENING));
    for (const cut of [100, 600_000, 2_000_000, text.indexOf('z') - 8, text.indexOf('z') + 600_000]) {
      const folder = write(text.slice(0, cut));
      const before = await readAll(await openChunkStream(folder, OPENING));
      appendFileSync(join(folder, `part-0.${format}`), text.slice(cut));
      const after = await readAll(await openChunkStream(folder, OPENING), before.end);
      expect([...before.records, ...after.records]).toEqual(whole.records);
      expect(after.end).toEqual(whole.end);
    }
  });

  it('is an invalid record of a named pipe', async () => {
    const folder = write(textOf(format));
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    spawn('sh', ['-c', `cat part-0.${format} > pipe`], { cwd: folder, stdio: 'ignore' });
    expect((await readAll(await openChunkStream(pipe, OPENING))).records).toEqual(expectedRecords(format));
  });

  it('is not stored, however long it is', { timeout: 60_000 }, async () => {
    const { header, row } = FORMATS[format];
    const folder = write(header + row('x'));
    const path = join(folder, `part-0.${format}`);
    const file = openSync(path, 'r+');
    // NUL bytes that take no disk space.
    ftruncateSync(file, 200_000_000);
    closeSync(file);
    appendFileSync(path, `\n${row('z')}`);
    const before = process.memoryUsage().rss;
    const { records } = await readAll(await openChunkStream(folder, OPENING));
    expect(records.map((each) => each.split(' ')[0])).toEqual(format === 'csv' ? ['2', '3', '4'] : ['1', '2', '3']);
    expect(process.memoryUsage().rss - before).toBeLessThan(80e6);
  });
});

it('a message of more than 1 MiB is an invalid record', async () => {
  const { row } = FORMATS.jsonl;
  const bytes = Buffer.from(row('x') + row('y'.repeat(LIMIT)) + row('z'));
  const stream = recordChunks(
    {
      name: 'kafka://host/topic',
      async *read() {
        yield await Promise.resolve({ bytes, cursorAfter: (count: number) => count });
      },
      lag: () => Promise.resolve(undefined),
      close: () => Promise.resolve(),
    },
    OPENING,
  );
  const { records } = await readAll(stream);
  expect(records).toEqual(['1 x', expect.stringMatching(/^2 a row of at most 1048576 bytes/), '3 z']);
});

describe('warnings of invalid records', () => {
  it('are printed at most every ten seconds, with the number of others', () => {
    const folder = scratchFolder();
    mkdirSync(folder, { recursive: true });
    const path = join(folder, 'rejects.csv');
    const warnings: string[] = [];
    const letters = new DeadLetters(path, firstStreamState(), 100, (text) => warnings.push(text));
    const clock = vi.spyOn(process.hrtime, 'bigint');
    const add = (seconds: number): void => {
      clock.mockReturnValue(BigInt(seconds) * 1_000_000_000n);
      letters.add({
        path: 'a.csv',
        line: seconds,
        column: undefined,
        value: undefined,
        expected: '2 values',
        cells: [],
      });
    };
    for (const seconds of [1, 2, 10, 11, 12, 30]) add(seconds);
    clock.mockRestore();
    letters.write();
    expect(warnings).toEqual([
      `skipped an invalid record: a.csv:1: expected 2 values; all are in ${path}`,
      `skipped an invalid record: a.csv:11: expected 2 values; 2 more since the last warning; all are in ${path}`,
      `skipped an invalid record: a.csv:30: expected 2 values; 1 more since the last warning; all are in ${path}`,
    ]);
    expect(readFileSync(path, 'utf8').trimEnd().split('\n')).toHaveLength(7);
  });
});
