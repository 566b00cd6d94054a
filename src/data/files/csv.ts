import { quoteOf, type Dialect, type DialectOptions } from '../dialect.js';
import { CARRY_ROOM, joined, type ByteChunks } from './byte-chunks.js';
import { fileSource, type ByteSource } from './byte-source.js';
import { MAX_ROW_BYTES, type CellFile, type LineCount, type Piece, type ReadAhead } from './cell-file.js';
import { mayHaveComments } from './comment-lines.js';
import { checkParsed, countLines, parseCells, parseLeniently, type LenientCells } from './csv-cells.js';
import { readHeader } from './csv-header.js';
import { readable, unreadable } from './unreadable.js';

/** The reader that is done with a piece before it asks for the next. */
const NOT_AHEAD: ReadAhead = { pieces: 0, settle: () => Promise.resolve() };

const LF = 10;
const CR = 13;

/**
 * Opens a CSV and reads its header.
 * @param source the file, or its path
 * @param options what is said of how it is read
 * @param chunkBytes how much of it is read at a time
 * @throws UserError (data) for a file that cannot be read, is empty, or names a column twice
 */
export async function openCsv(
  source: ByteSource | string,
  options: DialectOptions = {},
  chunkBytes = 1 << 19,
): Promise<CellFile> {
  const file = typeof source === 'string' ? await fileSource(source, options.encoding) : source;
  const { path, stats, fingerprint } = file;
  const { dialect, names, bytes, lines } = await readable(path, () =>
    readHeader(path, file.look(chunkBytes), options),
  ).catch((error: unknown) => {
    file.close();
    throw error;
  });
  return {
    path,
    kind: 'CSV',
    header: names,
    dialect,
    stats,
    fingerprint,
    async *pieces(ahead = NOT_AHEAD) {
      try {
        yield* readPieces(
          file.read({ chunkBytes, room: CARRY_ROOM, numKept: ahead.pieces }),
          path,
          dialect,
          bytes,
          { line: lines + 1 },
          ahead,
        );
      } catch (error) {
        // What is wrong with an earlier row comes first.
        await ahead.settle();
        throw unreadable(path, error);
      }
    },
  };
}

/** Everything behind the header. Lines are put together where chunks cut them; what is not plain is parsed. */
async function* readPieces(
  chunks: ByteChunks,
  path: string,
  dialect: Dialect,
  headerBytes: number,
  next: LineCount,
  ahead: ReadAhead,
): AsyncGenerator<Piece> {
  let skip = headerBytes;
  /** The beginning of a line, or of a quoted cell of several lines. */
  let carry: Buffer = Buffer.alloc(0);
  let progress = 0;
  for await (const chunk of chunks) {
    ({ progress } = chunk);
    const data = chunk.bytes.subarray(skip);
    skip -= chunk.bytes.length - data.length;
    const whole = joined(carry, data);
    const cut = lastLineEnd(whole);
    const lines = whole.subarray(0, cut);
    if (cut > 0 && isPlain(lines, dialect)) {
      yield { bytes: lines, begin: 0, end: cut, next, progress };
      carry = Buffer.from(whole.subarray(cut));
      continue;
    }
    await ahead.settle();
    carry = Buffer.from(whole);
    if (cut === 0 && whole.length <= MAX_ROW_BYTES) continue;
    const numLeft = yield* parsedPieces(
      path,
      dialect,
      cut > 0 ? carry.subarray(0, cut) : carry,
      next,
      progress,
      cut === 0 ? 'begun' : 'whole lines',
    );
    carry = carry.subarray((cut > 0 ? cut : carry.length) - numLeft);
  }
  await ahead.settle();
  if (carry.length > 0) yield* parsedPieces(path, dialect, carry, next, progress, 'all');
}

/**
 * Rows that need a parser. What may go on in the next chunk is left.
 * @param extent whether the bytes are the beginning of a line, whole lines, or all that is left of the file
 * @returns how many bytes are left
 */
function* parsedPieces(
  path: string,
  dialect: Dialect,
  lines: Buffer,
  next: LineCount,
  progress: number,
  extent: 'begun' | 'whole lines' | 'all',
): Generator<Piece, number> {
  for (let bytes = lines; ;) {
    const parsed: LenientCells =
      extent === 'begun' ? parseCells(bytes, next.line, dialect) : parseLeniently(bytes, next.line, dialect);
    // A quote may be closed, and a line ended, by what comes; unless it is too long already.
    const isOpen =
      parsed.error === undefined
        ? extent === 'begun'
        : parsed.error.code === 'CSV_QUOTE_NOT_CLOSED' && extent !== 'all';
    if (isOpen) return bytes.length;
    yield { ...parsed, progress };
    if (parsed.bad === undefined) {
      checkParsed(path, bytes, dialect, parsed);
      next.line += countLines(bytes, 0, bytes.length);
      return 0;
    }
    next.line = parsed.bad.line + 1;
    bytes = bytes.subarray(parsed.bad.end);
  }
}

/**
 * Where the last line ends that is known to end. A carriage return is an end of its own only if no line feed follows.
 */
function lastLineEnd(bytes: Buffer): number {
  const lineFeed = bytes.lastIndexOf(LF);
  return lineFeed >= 0 ? lineFeed + 1 : bytes.lastIndexOf(CR, -2) + 1;
}

/**
 * Whether whole lines need no parser: one byte between cells, no quote, no comment, no line end of old, no row beyond
 * the limit.
 */
function isPlain(lines: Buffer, dialect: Dialect): boolean {
  const quote = quoteOf(dialect);
  if (Buffer.byteLength(dialect.delimiter) > 1 || lines.length > MAX_ROW_BYTES) return false;
  if ((quote !== undefined && lines.indexOf(quote.charCodeAt(0)) >= 0) || mayHaveComments(lines, dialect)) return false;
  for (let at = lines.indexOf(CR); at >= 0; at = lines.indexOf(CR, at + 1)) if (lines[at + 1] !== LF) return false;
  return true;
}
