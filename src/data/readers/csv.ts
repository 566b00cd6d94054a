import { quoteCharacter, type Dialect, type DialectOptions } from '../dialect.js';
import { joined } from './byte-chunks.js';
import { fileSource, type ByteSource } from './byte-source.js';
import { MAX_ROW_BYTES, type CellFile, type FileColumns, type Piece } from './cell-file.js';
import {
  countLines,
  lineEndAfter,
  mayHaveComments,
  openForLong,
  parseCells,
  parseFailure,
  parseLeniently,
  type LenientCells,
} from './csv-cells.js';
import { readHeader } from './csv-header.js';
import { LongRow } from './long-row.js';
import { textChunk } from './text-chunk.js';
import { readBeginning, textFile, type PlacedChunks } from './text-file.js';
import { placeAfterLines, type TextPlace } from './text-place.js';

const LF = 10;
const CR = 13;

/**
 * Opens a CSV and reads its header.
 * @param source the file, or its path
 * @param wanted columns that are read
 * @param chunkBytes number of bytes that are read at a time
 * @throws UserError (data) for a file that cannot be read, is empty, or names a column twice
 */
export async function openCsv(
  source: ByteSource | string,
  options: DialectOptions = {},
  wanted: readonly string[] = [],
  chunkBytes = 1 << 19,
): Promise<CellFile> {
  const file = typeof source === 'string' ? fileSource(source, options.encoding) : source;
  const { path } = file;
  const { dialect, names, bytes, lines } = await readBeginning(file, chunkBytes, (chunks) =>
    readHeader(path, chunks, options),
  );
  const indices = new Map(wanted.filter((name) => names.includes(name)).map((name) => [name, names.indexOf(name)]));
  const columns = { path, header: names, dialect, indices };
  const parts = { kind: 'CSV', header: names, dialect, headerLines: lines } as const;
  return textFile(file, parts, bytes, chunkBytes, (chunks, isGrowing) => readPieces(chunks, columns, isGrowing));
}

/** A CSV, and the columns that are read from it. */
interface CsvColumns extends FileColumns {
  readonly dialect: Dialect;
}

/**
 * Reads rows. Lines that chunks cut are joined; lines that are not plain are parsed. A row that is too long is invalid,
 * and ends with its line.
 */
async function* readPieces(chunks: PlacedChunks, columns: CsvColumns, isGrowing: boolean): AsyncGenerator<Piece> {
  /** The beginning of a line, or of a quoted value of several lines. */
  let carry: Buffer = Buffer.alloc(0);
  let long: LongRow | undefined;
  let place: TextPlace | undefined;
  let progress = 0;
  const longPiece = (row: LongRow): Piece => {
    const placeAfter = (numLines?: number): TextPlace => row.placeAfter(numLines);
    return { ...textChunk(columns, { rows: [], lines: [], numLines: 1, placeAfter, bad: row.line }), progress };
  };
  for await (const chunk of chunks) {
    ({ progress } = chunk);
    place ??= chunk.start;
    let { bytes } = chunk;
    if (long !== undefined) {
      const end = endOfLongRow(long, bytes);
      long.skip(bytes.subarray(0, end));
      if (end === undefined) continue;
      yield longPiece(long);
      place = long.end;
      long = undefined;
      bytes = bytes.subarray(end);
    }
    const whole = joined(carry, bytes);
    const cut = lastLineEnd(whole);
    const lines = whole.subarray(0, cut);
    if (cut > 0 && isPlain(lines, columns.dialect)) {
      yield { bytes: lines, progress, place };
      place = place.after(lines);
      carry = Buffer.from(whole.subarray(cut));
      continue;
    }
    carry = Buffer.from(whole);
    const here: TextPlace = place;
    // An empty chunk: plain lines before it are encoded before their memory is reused, however long this row is.
    yield { ...textChunk(columns, { rows: [], lines: [], numLines: 0, placeAfter: () => here }), progress };
    let numRead = 0;
    if (cut > 0) numRead = cut - (yield* parsePieces(columns, here, carry.subarray(0, cut), progress, 'whole lines'));
    else if (whole.length > MAX_ROW_BYTES && parseCells(carry, 0, columns.dialect).error !== undefined) {
      long = new LongRow(here, carry, openForLong(carry, columns.dialect));
      numRead = carry.length;
    }
    place = here.after(carry.subarray(0, numRead));
    carry = carry.subarray(numRead);
  }
  if (long !== undefined && !isGrowing) yield longPiece(long);
  if (place !== undefined && carry.length > 0 && !isGrowing) yield* parsePieces(columns, place, carry, progress, 'all');
}

/**
 * Parses rows. Bytes that the next chunk may continue are left.
 * @param begin place of the first byte
 * @param extent whether the bytes are whole lines, or the rest of the file
 * @returns the number of bytes that are left
 */
function* parsePieces(
  columns: CsvColumns,
  begin: TextPlace,
  lines: Buffer,
  progress: number,
  extent: 'whole lines' | 'all',
): Generator<Piece, number> {
  const { path, dialect } = columns;
  let place = begin;
  for (let bytes = lines; ;) {
    const parsed: LenientCells = parseLeniently(bytes, 0, dialect);
    // The next bytes may close a quote, unless the row is too long already.
    if (parsed.error?.code === 'CSV_QUOTE_NOT_CLOSED' && extent !== 'all') return bytes.length;
    const { bad, badEnd } = parsed;
    const numLines = bad === undefined ? countLines(bytes, 0, bytes.length) : bad.line + 1;
    const own = bytes.subarray(0, badEnd);
    const here = place;
    const placeAfter = (count?: number): TextPlace => placeAfterLines(here, own, count, lineEndAfter);
    yield { ...textChunk(columns, { ...parsed, numLines, placeAfter }), progress };
    if (bad === undefined) {
      const failure = parseFailure(path, bytes, dialect, parsed);
      if (failure !== undefined) yield { failure: (line) => failure(line - numLines), progress };
      return 0;
    }
    place = place.after(own);
    bytes = bytes.subarray(badEnd);
  }
}

/** Returns the offset after the end of a row's line in more of its bytes; undefined if the line may continue. */
function endOfLongRow(row: LongRow, bytes: Buffer): number | undefined {
  if (row.endsInReturn) return bytes[0] === LF ? 1 : 0;
  const end = lineEndAfter(bytes, 0);
  const last = bytes[end - 1];
  return last === LF || (last === CR && end < bytes.length) ? end : undefined;
}

/** Returns the offset after the last complete line. A final carriage return may be continued by a line feed. */
function lastLineEnd(bytes: Buffer): number {
  const lineFeed = bytes.lastIndexOf(LF);
  return lineFeed >= 0 ? lineFeed + 1 : bytes.lastIndexOf(CR, -2) + 1;
}

/**
 * Returns whether whole lines need no parser: the delimiter is one byte, lines end in line feeds, and there are no
 * quotes, comments or rows beyond the limit.
 */
function isPlain(lines: Buffer, dialect: Dialect): boolean {
  const quote = quoteCharacter(dialect);
  if (Buffer.byteLength(dialect.delimiter) > 1 || lines.length > MAX_ROW_BYTES) return false;
  if ((quote !== undefined && lines.includes(quote.charCodeAt(0))) || mayHaveComments(lines, dialect)) return false;
  for (let at = lines.indexOf(CR); at >= 0; at = lines.indexOf(CR, at + 1)) if (lines[at + 1] !== LF) return false;
  return true;
}
