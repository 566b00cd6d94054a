import { appendFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { ChunkStream, StreamOpening } from '../../src/data/streams/chunk-stream.js';
import { openGrowingFiles } from '../../src/data/streams/growing-files.js';
import { recordChunks } from '../../src/data/streams/record-chunks.js';
import type { RecordStream, StreamCursor } from '../../src/data/streams/record-stream.js';
import { openChunkStream } from '../../src/data/streams/streams.js';
import { scratchFolder } from '../support/scratch.js';

const OPENING: StreamOpening = { columns: ['id'], dialect: {} };

/** A row or an invalid line, with the position after it. */
interface Read {
  readonly text: string;
  readonly line: number;
  readonly cursor: StreamCursor;
}

/** Reads the rows of a stream, up to `count`. */
async function readRows(
  stream: ChunkStream,
  from?: StreamCursor,
  { count = Infinity, endsWhenEmpty = true } = {},
): Promise<readonly Read[]> {
  const rows: Read[] = [];
  const signal = new AbortController().signal;
  for await (const { chunk, line, cursorAfter } of stream.read({ from, endsWhenEmpty, signal, onWarning: fail })) {
    for (let row = 0; row < chunk.rows; row++) {
      const text = chunk.columns.get('id')!.text(row);
      // Cursors are stored as JSON.
      const cursor = JSON.parse(JSON.stringify(cursorAfter(row + 1, true))) as StreamCursor;
      rows.push({ text, line: line + (chunk.lines?.[row] ?? row), cursor });
      if (rows.length === count) return rows;
    }
    for (const { line: at, cells } of chunk.invalid ?? [])
      rows.push({ text: `invalid ${cells.join()}`, line: line + at, cursor: undefined });
  }
  return rows;
}

function fail(text: string): never {
  throw new Error(text);
}

const textsOf = (rows: readonly Read[]): readonly string[] => rows.map(({ text }) => text);
const linesOf = (ids: readonly number[]): string => ids.map((id) => `{"id":${id}}\n`).join('');

describe('files that grow', () => {
  it('are read in the order of their names, and from any position', async () => {
    const folder = scratchFolder();
    writeFileSync(join(folder, 'b.jsonl'), linesOf([4, 5]));
    writeFileSync(join(folder, 'a.jsonl'), linesOf([1, 2, 3]));
    const rows = await readRows(openGrowingFiles(folder, OPENING));
    expect(textsOf(rows)).toEqual(['1', '2', '3', '4', '5']);
    expect(rows.map(({ line }) => line)).toEqual([1, 2, 3, 1, 2]);
    for (const [i, { cursor }] of rows.entries())
      expect(textsOf(await readRows(openGrowingFiles(folder, OPENING), cursor))).toEqual(textsOf(rows.slice(i + 1)));
  });

  it('have the header of each CSV, whatever the order of its columns', async () => {
    const folder = scratchFolder();
    writeFileSync(join(folder, 'a.csv'), 'id,x\n1,0\n"2",0\n');
    writeFileSync(join(folder, 'b.csv'), 'x,id\n0,3\n');
    const rows = await readRows(openGrowingFiles(join(folder, '*.csv'), OPENING));
    expect(textsOf(rows)).toEqual(['1', '2', '3']);
    for (const [i, { cursor }] of rows.entries())
      expect(textsOf(await readRows(openGrowingFiles(join(folder, '*.csv'), OPENING), cursor))).toEqual(
        textsOf(rows.slice(i + 1)),
      );
  });

  it('have no row before its line ends, unless a later file exists', async () => {
    const folder = scratchFolder();
    writeFileSync(join(folder, 'a.jsonl'), '{"id":1}\n{"id":2');
    const stream = openGrowingFiles(folder, OPENING);
    expect(textsOf(await readRows(stream))).toEqual(['1']);
    appendFileSync(join(folder, 'a.jsonl'), '0}');
    expect(textsOf(await readRows(stream))).toEqual(['1']);
    writeFileSync(join(folder, 'b.jsonl'), linesOf([3]));
    expect(textsOf(await readRows(stream))).toEqual(['1', '20', '3']);
  });

  it('are waited for, from an empty directory on', async () => {
    const folder = scratchFolder();
    const read = readRows(openGrowingFiles(folder, OPENING), undefined, { count: 5, endsWhenEmpty: false });
    for (const [name, text] of [
      ['a.csv', ''],
      ['a.csv', 'i'],
      ['a.csv', 'd\n1\n2'],
      ['a.csv', '\n3\n'],
      ['b.csv', 'id\n4'],
      ['b.csv', '\n5\n'],
    ] as const) {
      appendFileSync(join(folder, name), text);
      await setTimeout(30);
    }
    expect(textsOf(await read)).toEqual(['1', '2', '3', '4', '5']);
  });

  it('may be compressed', async () => {
    const folder = scratchFolder();
    writeFileSync(join(folder, 'a.jsonl.gz'), gzipSync(linesOf([1, 2])));
    writeFileSync(join(folder, 'b.jsonl'), linesOf([3]));
    const rows = await readRows(openGrowingFiles(folder, OPENING));
    expect(textsOf(rows)).toEqual(['1', '2', '3']);
    expect(textsOf(await readRows(openGrowingFiles(folder, OPENING), rows[0]!.cursor))).toEqual(['2', '3']);
  });

  it('keep invalid lines apart from rows', async () => {
    const folder = scratchFolder();
    writeFileSync(join(folder, 'a.jsonl'), '\ufeff{"id":1}\nnonsense\n{"id":2}\n');
    expect(textsOf(await readRows(openGrowingFiles(folder, OPENING)))).toEqual(['1', '2', 'invalid nonsense']);
  });

  it.each([
    [
      'a file that appears before one that was read',
      (folder: string) => writeFileSync(join(folder, 'a0.jsonl'), linesOf([9])),
      'a0.jsonl: appeared after a later file, b.jsonl, was read',
    ],
    [
      'a finished file that grows',
      (folder: string) => appendFileSync(join(folder, 'a.jsonl'), linesOf([9])),
      'a.jsonl: has 27 bytes, but had 18 when it was read',
    ],
    [
      'a truncated file',
      (folder: string) => writeFileSync(join(folder, 'b.jsonl'), ''),
      'b.jsonl: was truncated: it has 0 bytes, but 9 were read',
    ],
    [
      'a file that was replaced',
      (folder: string) => writeFileSync(join(folder, 'b.jsonl'), linesOf([7, 8])),
      'b.jsonl:2: changed after it was read: bytes 0 to 9 differ',
    ],
    [
      'a shorter file',
      (folder: string) => writeFileSync(join(folder, 'b.jsonl'), '{}\n'),
      'b.jsonl:2: changed after it was read: it ends at byte 3, before byte 9',
    ],
    ['a file that was removed', (folder: string) => rmSync(join(folder, 'b.jsonl')), 'b.jsonl: was removed'],
    [
      'a file that was renamed',
      (folder: string) => renameSync(join(folder, 'b.jsonl'), join(folder, 'c.jsonl')),
      'b.jsonl: was removed',
    ],
  ] as const)('refuse %s', async (_, change, message) => {
    const folder = scratchFolder();
    writeFileSync(join(folder, 'a.jsonl'), linesOf([1, 2]));
    writeFileSync(join(folder, 'b.jsonl'), linesOf([3]));
    const { cursor } = (await readRows(openGrowingFiles(folder, OPENING))).at(-1)!;
    change(folder);
    await expect(readRows(openGrowingFiles(folder, OPENING), cursor)).rejects.toThrow(message);
  });

  it.each([
    ['a.jsonl', (id: number) => `{"id":${id},"text":"${'x'.repeat(90)}"}\n`, ''],
    ['a.csv', (id: number) => `${id},${'x'.repeat(90)}\n`, 'id,text\n'],
  ])('refuse a byte of %s that changed far before the position', async (name, lineOf, header) => {
    const folder = scratchFolder();
    const path = join(folder, name);
    const text = header + Array.from({ length: 3000 }, (_, id) => lineOf(id)).join('');
    writeFileSync(path, text);
    const rows = await readRows(openGrowingFiles(folder, OPENING));
    const { cursor } = rows[2000]!;
    const resume = (): Promise<readonly Read[]> => readRows(openGrowingFiles(folder, OPENING), cursor);
    const end = header.length + rows.slice(0, 2001).reduce((sum, { text: id }) => sum + lineOf(Number(id)).length, 0);
    for (const changed of [text.indexOf('xx') + 7, end - 14_000]) {
      const block = changed - (changed % 65536);
      const range = `${block} to ${Math.min(end, block + 65536)}`;
      writeFileSync(path, `${text.slice(0, changed)}y${text.slice(changed + 1)}`);
      await expect(resume()).rejects.toThrow(`changed after it was read: bytes ${range} differ`);
    }
    writeFileSync(path, `${text.slice(0, -5)}y${text.slice(-4)}`);
    expect(textsOf(await resume())).toEqual(textsOf(rows.slice(2001)));
  });

  it('are hashed on while they grow, as when they are read at once', async () => {
    const folder = scratchFolder();
    const path = join(folder, 'a.csv');
    const ids = Array.from({ length: 400 }, (_, id) => String(id));
    writeFileSync(
      path,
      `id,x\n${ids
        .slice(0, 100)
        .map((id) => `${id},${'x'.repeat(500)}\n`)
        .join('')}`,
    );
    const growing = openGrowingFiles(folder, OPENING);
    const read = readRows(growing, undefined, { count: 400, endsWhenEmpty: false });
    for (let begin = 100; begin < 400; begin += 100) {
      await setTimeout(30);
      appendFileSync(
        path,
        ids
          .slice(begin, begin + 100)
          .map((id) => `${id},${'x'.repeat(500)}\n`)
          .join(''),
      );
    }
    const cursors = (rows: readonly Read[]): unknown => rows.map(({ cursor }) => cursor);
    expect(cursors(await read)).toEqual(cursors(await readRows(openGrowingFiles(folder, OPENING))));
  });

  it('refuse a CSV that lacks a column', async () => {
    const folder = scratchFolder();
    writeFileSync(join(folder, 'a.csv'), 'id\n1\n');
    writeFileSync(join(folder, 'b.csv'), 'key\n1\n');
    await expect(readRows(openGrowingFiles(folder, OPENING))).rejects.toThrow('b.csv:1');
  });

  it('refuse a path that does not exist, and the position of another stream', async () => {
    const folder = scratchFolder();
    expect(() => openGrowingFiles(join(folder, 'none'), OPENING)).toThrow('does not exist');
    mkdirSync(join(folder, 'some'));
    await expect(readRows(openGrowingFiles(join(folder, 'some'), OPENING), { input: 3 })).rejects.toThrow(
      'the position of a stream of another kind',
    );
  });

  it('report the bytes that are left', async () => {
    const folder = scratchFolder();
    writeFileSync(join(folder, 'a.jsonl'), linesOf([1, 2]));
    const stream = openGrowingFiles(folder, OPENING);
    expect(await stream.lag()).toEqual({ amount: 18, unit: 'bytes' });
    await readRows(stream);
    expect(await stream.lag()).toEqual({ amount: 0, unit: 'bytes' });
    appendFileSync(join(folder, 'a.jsonl'), linesOf([3]));
    writeFileSync(join(folder, 'b.jsonl'), linesOf([4]));
    expect(await stream.lag()).toEqual({ amount: 18, unit: 'bytes' });
  });

  it('end a wait with the reason of the signal', async () => {
    const controller = new AbortController();
    const stream = openGrowingFiles(scratchFolder(), OPENING);
    const read = stream.read({ from: undefined, endsWhenEmpty: false, signal: controller.signal, onWarning: fail });
    const next = read.next();
    controller.abort(new Error('enough'));
    await expect(next).rejects.toThrow('enough');
  });
});

describe('records of a source', () => {
  /** A source whose position is the number of records before it. */
  const source = (pieces: readonly string[]): RecordStream => ({
    name: 'log://topic',
    async *read({ from = 0 }) {
      let before = 0;
      for (const piece of pieces) {
        const lines = piece.split('\n').slice(0, -1);
        const skipped = Math.min(lines.length, Math.max(0, (from as number) - before));
        const begin = before + skipped;
        before += lines.length;
        if (skipped === lines.length) continue;
        const bytes = Buffer.from(
          lines
            .slice(skipped)
            .map((line) => `${line}\n`)
            .join(''),
        );
        yield await Promise.resolve({
          bytes,
          cursorAfter: (count: number) => begin + count,
          placeOf: (line: number) => ({ path: 'log://topic/0', line: 100 + begin + line }),
        });
      }
    },
    lag: () => Promise.resolve(undefined),
    close: () => Promise.resolve(),
  });

  it('are rows, from any position', async () => {
    const pieces = [linesOf([1, 2]), `${linesOf([3])}{}\n`, linesOf([5])];
    const rows = await readRows(recordChunks(source(pieces), OPENING));
    expect(textsOf(rows)).toEqual(['1', '2', '3', '', '5']);
    expect(rows.map(({ line }) => line)).toEqual([1, 2, 3, 4, 5]);
    for (const [i, { cursor }] of rows.entries())
      expect(await readRows(recordChunks(source(pieces), OPENING), cursor)).toEqual(rows.slice(i + 1));
  });

  it('have the place that the source names', async () => {
    const signal = new AbortController().signal;
    const reading = { from: undefined, endsWhenEmpty: true, signal, onWarning: fail };
    for await (const { placeOf } of recordChunks(source([linesOf([1, 2])]), OPENING).read(reading))
      expect(placeOf!(1)).toEqual({ path: 'log://topic/0', line: 101 });
  });
});

describe('a stream of a config', () => {
  it('cannot combine standard input with files', async () => {
    await expect(openChunkStream(['-', 'a.jsonl'], OPENING)).rejects.toThrow(
      'is a stream, which cannot be combined with other paths',
    );
  });
});
