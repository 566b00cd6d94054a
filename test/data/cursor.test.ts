import { toBatch } from '../support/batches.js';
/** @module-tag long */
import { column } from '../../src/core/batch.js';
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { refuseBadRows } from '../../src/data/rows/rejects.js';
import { parseDialect, type DialectOptions } from '../../src/data/dialect.js';
import { encodeRows, readChunks, type ReadOptions } from '../../src/data/pipeline.js';
import { fileSource } from '../../src/data/readers/byte-source.js';
import type { CellFile, RowSource } from '../../src/data/readers/cell-file.js';
import { openCsv } from '../../src/data/readers/csv.js';
import { parseCursor, ReadCursor } from '../../src/data/readers/read-cursor.js';
import { openJsonLines } from '../../src/data/readers/json-lines.js';
import { openRows } from '../../src/data/readers/open-rows.js';
import { encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { writeShards } from '../../src/data/shards/writer.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { positionIn } from '../../src/data/streams/cursor.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { eachByNight } from '../support/each-by-night.js';
import { withColumns } from '../support/read-rows.js';
import { scratchFile, scratchFolder } from '../support/scratch.js';
import { storedFrame } from '../support/zstd-frame.js';
import { createCase, createChance, type Chance } from './fuzz-case.js';

/** Rows and invalid lines of sources: file, line, and values or the reason. */
type Event = readonly [file: string, line: number, values: readonly string[] | string];

/** Reads to a random place after `numChunks` chunks; to the end if there are no more. */
async function readEvents(
  sources: readonly RowSource[],
  options: ReadOptions & { readonly cursor: ReadCursor },
  stop?: { readonly numChunks: number; readonly share: number },
): Promise<readonly Event[]> {
  const events: Event[] = [];
  let numChunks = 0;
  for await (const { chunk, file, line } of readChunks(sources, undefined, options)) {
    const { path } = sources[file]!.csv;
    const isLast = numChunks++ === stop?.numChunks;
    const end = isLast ? Math.floor(stop.share * (chunk.rows + 1)) : chunk.rows;
    for (let row = 0; row <= end; row++) {
      // Invalid lines after the last row that is read are not read either.
      if (row < end || end === chunk.rows)
        for (const { before, line: at, expected } of chunk.invalid ?? [])
          if (before === row) events.push([path, line + at, expected]);
      if (row < end)
        events.push([
          path,
          line + (chunk.lines?.[row] ?? row),
          [...chunk.columns.values()].map((column) => column.text(row)),
        ]);
    }
    if (!isLast) continue;
    const { line: next, ...place } = positionIn(chunk, line, end);
    options.cursor.moveTo(path, place, next);
    return events;
  }
  return events;
}

/** Stores a cursor and reads it again. */
const stored = (cursor: ReadCursor): ReadCursor => new ReadCursor(parseCursor('cursor.json', JSON.stringify(cursor)));

/** Opens a file with all columns, and reads few bytes at a time. */
async function openSmall(path: string, dialect: DialectOptions, chunkBytes: number): Promise<RowSource<CellFile>> {
  const open = async (wanted: readonly string[]): Promise<CellFile> =>
    /\.parquet$/.test(path)
      ? (await openRows(path, wanted)).csv
      : /\.jsonl/.test(path)
        ? openJsonLines(fileSource(path), dialect, { wanted }, chunkBytes)
        : openCsv(path, dialect, wanted, chunkBytes);
  const { header } = await open([]);
  return withColumns(await open(header), header);
}

/** Cuts a read at several places, one after the other. */
async function readInParts(
  open: () => Promise<readonly RowSource[]>,
  chance: Chance,
  numChunks: number,
): Promise<readonly Event[]> {
  const events: Event[] = [];
  let cursor = new ReadCursor();
  for (let part = 0; part < 3; part++) {
    const stop = { numChunks: chance.below(Math.max(1, numChunks)), share: chance.below(1000) / 1000 };
    events.push(...(await readEvents(await open(), { cursor }, stop)));
    cursor = stored(cursor);
  }
  return [...events, ...(await readEvents(await open(), { cursor }))];
}

describe('a read from a cursor', () => {
  eachByNight(Array.from({ length: 8 }, (_, i) => [i * 20] as const))(
    'goes on at the next row: cases from %i',
    {},
    async (first) => {
      for (let seed = first; seed < first + 20; seed++) {
        const folder = scratchFolder();
        const { data, train } = createCase(seed);
        const paths = train.map(({ name }) => join(folder, name));
        for (const [i, { content }] of train.entries()) {
          mkdirSync(dirname(paths[i]!), { recursive: true });
          writeFileSync(paths[i]!, content);
        }
        const chance = createChance(seed + 77);
        const isBig = train.some(({ rows }) => rows.length > 1000);
        const chunkBytes = isBig ? 1 << 16 : chance.pick([50, 400, 1 << 19]);
        const dialect = parseDialect(data as Parameters<typeof parseDialect>[0]);
        const open = (): Promise<readonly RowSource[]> =>
          Promise.all(paths.map((path) => openSmall(path, dialect, chunkBytes)));
        const whole = await readEvents(await open(), { cursor: new ReadCursor() });
        const expected = train.flatMap(({ rows }, i) => rows.map(({ line }) => [paths[i], line] as const));
        expect(whole.map(([path, line]) => [path, line])).toEqual(expected);
        let numChunks = 0;
        for await (const {} of readChunks(await open())) numChunks++;
        expect(await readInParts(open, chance, numChunks), `seed ${seed}`).toEqual(whole);
      }
    },
  );

  it('reads only complete lines of a growing file, and each once', async () => {
    for (let seed = 0; seed < 80; seed++) {
      const { data, train } = createCase(seed);
      const [{ name, content, rows }] = train as unknown as readonly [(typeof train)[number]];
      if (/\.(gz|parquet)$/.test(name) || data['encoding'] !== undefined || rows.length < 10) continue;
      const path = scratchFile(name.replace('/', '-'), content);
      const chance = createChance(seed);
      const dialect = parseDialect(data as Parameters<typeof parseDialect>[0]);
      // The dialect and the columns are those of the whole file.
      const opened = await openSmall(path, dialect, content.length > 1e5 ? 1 << 16 : chance.pick([50, 1 << 19]));
      const whole = await readEvents([opened], { cursor: new ReadCursor() });
      const header = opened.csv.kind === 'CSV' ? headerBytes(content, opened.csv.headerLines ?? 0) : 0;
      const ends = Array.from({ length: 4 }, () => header + chance.below(content.length - header)).sort(
        (a, b) => a - b,
      );
      let cursor = new ReadCursor();
      const events: Event[] = [];
      for (const end of ends) {
        writeFileSync(path, content.subarray(0, end));
        events.push(...(await readEvents([opened], { cursor, isGrowing: true })));
        cursor = stored(cursor);
      }
      writeFileSync(path, content);
      expect([...events, ...(await readEvents([opened], { cursor }))], `seed ${seed}`).toEqual(whole);
    }
  });

  it('has the same positions for any size of chunks', async () => {
    const path = scratchFile('a.csv', Array.from({ length: 300 }, (_, i) => `${i},"a\n${i}"`).join('\r\n'));
    const cursors: string[] = [];
    for (const chunkBytes of [64, 1000, 1 << 19]) {
      const cursor = new ReadCursor();
      await readEvents([await openSmall(path, { header: false, columns: ['a', 'b'] }, chunkBytes)], { cursor });
      cursors.push(JSON.stringify(cursor));
    }
    expect(new Set(cursors).size).toBe(1);
    expect(JSON.parse(cursors[0]!)).toEqual({
      [path]: {
        offset: readFileSync(path).length,
        line: 600,
        check: expect.stringMatching(/^[0-9a-f]{16}$/) as string,
      },
    });
  });

  it('skips row groups of Parquet', async () => {
    const columnData = [{ name: 'n', data: Array.from({ length: 10_000 }, (_, i) => i), type: 'INT32' as const }];
    const path = scratchFile('a.parquet', new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: 3000 })));
    for (const numChunks of [0, 1, 3]) {
      const cursor = new ReadCursor();
      const open = async (): Promise<readonly RowSource[]> => [await openSmall(path, {}, 0)];
      const before = await readEvents(await open(), { cursor }, { numChunks, share: 0.7 });
      const after = await readEvents(await open(), { cursor: stored(cursor) });
      expect([...before, ...after].map(([, line, values]) => [line, values])).toEqual(
        columnData[0]!.data.map((n) => [n + 1, [String(n)]]),
      );
    }
  });

  it.each([
    ['a.csv', (bytes: Buffer) => bytes],
    ['a.csv.gz', gzipSync],
    ['a.csv.zst', (bytes: Buffer) => storedFrame([bytes])],
  ] as const)('reads rows that were appended to %s, and those of new files', async (name, pack) => {
    const folder = scratchFolder();
    const [a, b] = [join(folder, name), join(folder, 'b.csv')];
    const cursor = new ReadCursor();
    writeFileSync(a, await pack(Buffer.from('x\n1\n2')));
    const read = async (...paths: string[]): Promise<readonly Event[]> =>
      readEvents(await Promise.all(paths.map((path) => openSmall(path, {}, 64))), { cursor: stored(cursor) });
    await readEvents([await openSmall(a, {}, 64)], { cursor });
    expect(await read(a)).toEqual([]);
    writeFileSync(a, await pack(Buffer.from('x\n1\n2\n3\n')));
    writeFileSync(b, 'x\n4\n');
    expect(await read(b, a)).toEqual([
      [b, 2, ['4']],
      [a, 4, ['3']],
    ]);
  });

  it.each([
    ['a.csv', 'x\n1\n', /^.*a\.csv:4: changed after it was read: it ends at byte 4, before byte 8; restore the file/],
    ['a.csv', 'x\n1\n7\n3\n', /a\.csv:4: changed after it was read: the bytes before byte 8 differ/],
    ['a.csv', 'x\n1\n22\n34\n', /a\.csv:4: changed after it was read: the line that ended at byte 8 was continued/],
    ['a.jsonl', '{"x":1}\n', /a\.jsonl:2: changed after it was read: it ends at byte 8, before byte 15/],
  ])('refuses a file %s that has become %j', async (name, content, message) => {
    const before = name === 'a.csv' ? 'x\n1\n22\n3' : '{"x":1}\n{"x":2}';
    const path = scratchFile(name, before);
    const cursor = new ReadCursor();
    await readEvents([await openSmall(path, {}, 64)], { cursor });
    writeFileSync(path, content);
    const opened = await openSmall(path, {}, 64);
    await expect(readEvents([opened], { cursor: stored(cursor) })).rejects.toThrow(message);
  });

  it('refuses another Parquet file, and text that is no cursor', async () => {
    const parquet = (rows: number): Uint8Array =>
      new Uint8Array(parquetWriteBuffer({ columnData: [{ name: 'n', data: Array.from({ length: rows }, () => 1) }] }));
    const path = scratchFile('a.parquet', parquet(5));
    const cursor = new ReadCursor();
    await readEvents([await openSmall(path, {}, 0)], { cursor });
    writeFileSync(path, parquet(6));
    const opened = await openSmall(path, {}, 0);
    await expect(readEvents([opened], { cursor: stored(cursor) })).rejects.toThrow('its footer differs');
    for (const text of ['', '[]', '{"a":{"offset":-1,"line":1,"check":"0000000000000000"}}'])
      expect(() => parseCursor('at.json', text)).toThrow('at.json: is not a cursor');
  });
});

/** Number of bytes of the header and of a first line after it. */
function headerBytes(content: Uint8Array, headerLines: number): number {
  const text = Buffer.from(content).toString('latin1');
  const [lines] = new RegExp(`^(?:[^\\r\\n]*(?:\\r\\n|\\n|\\r)){${headerLines}}`).exec(text)!;
  return lines.length;
}

describe('encoded rows from a cursor', () => {
  const groups = [featureTypes.schema.parse({ type: 'categorical', fields: ['id'] })];
  const format = encodedFormat(createRowFormat({ tasks: [], groups }), { id: { size: 1000 } });

  it('are those after the batches that were taken, for any number of threads', async () => {
    const lines = Array.from({ length: 900 }, (_, i) => (i % 97 === 5 ? `${i},"a\n"` : i % 50 === 7 ? 'x' : `${i},b`));
    const path = scratchFile('a.csv', `id,note\n${lines.join('\n')}\n`);
    for (const threads of [1, 3]) {
      const taken: number[] = [];
      const rejects: number[] = [];
      let cursor = new ReadCursor();
      for (let numBatches = 1, isDone = false; !isDone; numBatches++) {
        const source = await openSmall(path, {}, 200);
        let count = 0;
        isDone = true;
        for await (const { batch, rejects: own } of encodeRows(source, format, { threads, isPatient: true, cursor })) {
          taken.push(...column(batch, 'id', 'u32').data.subarray(0, batch.rows));
          rejects.push(...own.map(({ line }) => line));
          if (++count < numBatches) continue;
          isDone = false;
          break;
        }
        cursor = stored(cursor);
        if (count === 0 || cursor.positionIn(path)!.offset === readFileSync(path).length) isDone = true;
      }
      expect(taken).toEqual(lines.flatMap((line, i) => (line === 'x' ? [] : [i])));
      expect(rejects).toEqual(lines.flatMap((line, i) => (line === 'x' ? [2 + i + Math.ceil((i - 5) / 97)] : [])));
    }
  });

  it('are those of appended lines and new files of a source', async () => {
    const folder = scratchFolder();
    writeFileSync(join(folder, 'b.csv'), 'id\n1\n2\n3');
    const cursor = new ReadCursor();
    const read = async (): Promise<readonly number[]> => {
      const source = await openSource(folder, ['id'], {});
      const ids: number[] = [];
      const reading = { policy: refuseBadRows, cursor, isGrowing: true };
      for await (const { batch } of source.stream(format, [], reading))
        ids.push(...column(batch, 'id', 'u32').data.subarray(0, batch.rows));
      return ids;
    };
    expect(await read()).toEqual([1, 2]);
    appendFileSync(join(folder, 'b.csv'), '0\n4\n');
    writeFileSync(join(folder, 'a.csv'), 'id\n5\n');
    expect(await read()).toEqual([5, 30, 4]);
    expect(await read()).toEqual([]);
  });

  it('are those after the batches of shards that were taken', async () => {
    const folder = join(scratchFolder(), 'shards');
    const write = (ids: Uint32Array): Promise<unknown> =>
      writeShards(folder, [{ name: 'id', kind: 'id' }], async (writer) => {
        await writer.add(toBatch({ rows: ids.length, ids: new Map([['id', ids]]) }));
        return { sizes: new Map([['id', 1000]]) };
      });
    const ids = Uint32Array.from({ length: 10_000 }, (_, i) => i % 1000);
    await write(ids);
    const found: number[] = [];
    let cursor = new ReadCursor();
    const readBatch = async (): Promise<void> => {
      const source = await openSource(folder, ['id']);
      for await (const { batch } of source.stream(format, ['id'], { policy: refuseBadRows, cursor })) {
        found.push(...column(batch, 'id', 'u32').data.subarray(0, batch.rows));
        return;
      }
    };
    for (let part = 0; part < 4; part++) {
      await readBatch();
      cursor = stored(cursor);
    }
    expect(found).toEqual([...ids]);
    rmSync(folder, { recursive: true });
    await write(ids.subarray(1));
    await expect(readBatch()).rejects.toThrow(/shards: changed after it was read: its manifest has other shards/);
  });
});
