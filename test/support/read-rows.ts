import { expect } from 'vitest';
import type { Chunk, ChunkRows } from '../../src/chunks/chunk.js';
import { eachText } from '../../src/chunks/encode-texts.js';
import type { DialectOptions } from '../../src/data/dialect.js';
import type { CellFile, PlainLines, RowSource } from '../../src/data/readers/cell-file.js';
import { columnIndices } from '../../src/data/readers/column-indices.js';
import { openCsv } from '../../src/data/readers/csv.js';
import { collectRows } from '../../src/data/pipeline.js';
import { refuseBadRows, type RejectPolicy } from '../../src/data/rows/rejects.js';
import { RowCollector } from '../../src/data/rows/row-collector.js';
import { createRowFormat } from '../../src/data/rows/row-format.js';
import type { ReadColumns } from '../../src/features/kinds/kind.js';
import { oneValueReader } from '../../src/features/kinds/one-value.js';
import { parseText } from '../../src/features/parse.js';

/** Opens all columns of a CSV. */
export async function openAllColumns(
  path: string,
  dialect: DialectOptions = {},
  chunkBytes?: number,
): Promise<RowSource<CellFile>> {
  const { header } = await openCsv(path, dialect, [], chunkBytes);
  return withColumns(await openCsv(path, dialect, header, chunkBytes), header);
}

/** Returns a file and the columns to read. */
export function withColumns(csv: CellFile, names: readonly string[]): RowSource<CellFile> {
  const { path, header, dialect } = csv;
  return { csv, columns: { path, header, dialect, indices: columnIndices(csv, names) } };
}

/** Columns that are not read as strings, and what happens to invalid rows. */
export interface ReadOptions {
  /** Columns that are read as numbers. */
  readonly numbers?: readonly string[];
  /** Columns whose lists are read as items: the id, or the id and a weight that is not 1. */
  readonly lists?: readonly string[];
  readonly policy?: RejectPolicy;
}

/** Reads the values of all valid rows. */
export async function readRows(
  source: RowSource,
  names: readonly string[],
  { numbers = [], lists = [], policy = refuseBadRows }: ReadOptions = {},
): Promise<unknown[][]> {
  const found: unknown[][] = [];
  let cells: unknown[][] = [];
  const readers = names.map((name, c): ReadColumns => {
    const read = numbers.includes(name)
      ? numberReader(name)
      : lists.includes(name)
        ? listReader(name)
        : textReader(name);
    return (rows) => read(rows, (row, value) => void ((cells[row] ??= [])[c] = value));
  });
  const keepRows: ReadColumns = (rows) => {
    for (let row = 0; row < rows.count; row++) if (rows.isKept(row)) found.push(cells[row] ?? []);
    cells = [];
  };
  const format = createRowFormat({ tasks: [], groups: [] });
  const collector = new RowCollector(source.columns, { format, columns: [], readers, writers: [keepRows] });
  for await (const { rejects } of collectRows(source, collector)) for (const row of rejects) policy.reject(row);
  return found;
}

/** Reads the values of a column of a chunk. */
type ReadCells = (rows: ChunkRows, take: (row: number, value: unknown) => void) => void;

function textReader(name: string): ReadCells {
  return (rows, take) => eachText(rows, { columns: [name] }, (text, row) => take(row, parseText(text)));
}

function numberReader(name: string): ReadCells {
  let values = new Float64Array(0);
  const reader = oneValueReader(
    [name],
    { encode: Number, direct: { cell: 'number' }, numberColumns: [name] },
    () => values,
  );
  return (rows, take) => {
    values = new Float64Array(rows.count);
    reader(rows, { rows: 0 } as Parameters<typeof reader>[1]);
    for (let row = 0; row < rows.count; row++) take(row, values[row]);
  };
}

function listReader(name: string): ReadCells {
  return (rows, take) => {
    const column = rows.column(name);
    for (let row = 0; row < rows.count; row++) {
      if (!rows.isKept(row)) continue;
      try {
        const list = column.listAt?.(row);
        if (list === undefined) take(row, parseText(column.text(row)));
        else
          take(
            row,
            list.ids
              .slice(list.begin, list.end)
              .map((id, i) => (list.weights[list.begin + i] === 1 ? id : [id, list.weights[list.begin + i]])),
          );
      } catch (error) {
        rows.refuse(row, [name], error);
      }
    }
  };
}

/** A line of a file that is a row, or is not. */
export interface FileLine {
  readonly cells: readonly string[];
  readonly line: number;
  /** What is expected of a line that is not a row; undefined for a row with any number of values. */
  readonly expected?: string;
}

/** Reads the lines of a CSV by piece; plain ones are split at the delimiter. */
export async function* readLines(
  csv: CellFile,
  delimiter = ',',
): AsyncGenerator<{ readonly lines: readonly FileLine[]; readonly progress: number }> {
  let line = 1 + (csv.headerLines ?? 0);
  for await (const piece of csv.pieces()) {
    if ('failure' in piece) throw piece.failure(line);
    const { lines, numLines } = 'bytes' in piece ? plainLines(piece, delimiter) : chunkLines(piece);
    const before = line;
    yield { lines: lines.map((each) => ({ ...each, line: before + each.line })), progress: piece.progress };
    line += numLines;
  }
}

interface PieceLines {
  readonly lines: readonly FileLine[];
  readonly numLines: number;
}

function plainLines({ bytes }: PlainLines, delimiter: string): PieceLines {
  const text = bytes.toString('utf8');
  expect(text).toMatch(/\n$/);
  const all = text.replace(/\r?\n$/, '').split(/\r?\n/);
  const lines = all.flatMap((each, line) => (each === '' ? [] : [{ cells: each.split(delimiter), line }]));
  return { lines, numLines: all.length };
}

function chunkLines({ rows, lines: rowLines, numLines, invalid = [], cellsOf }: Chunk): PieceLines {
  const lines: FileLine[] = [];
  for (let row = 0; row <= rows; row++) {
    for (const { before, line, expected, cells } of invalid)
      if (before === row) lines.push({ cells, line, ...(!expected.includes('values as in ') && { expected }) });
    if (row < rows) lines.push({ cells: cellsOf(row), line: rowLines![row]! });
  }
  return { lines, numLines };
}
