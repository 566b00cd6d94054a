import { stat } from 'node:fs/promises';
import { createByteHash } from '../../byte-hash.js';
import { didYouMean, quoted, systemCode, UserError, userError } from '../../errors.js';
import { firstBytes, readChunks, type ByteChunks } from './csv-bytes.js';
import { checkParsed, countLines, MAX_ROW_BYTES, parseCells, parseLeniently, type LenientCells } from './csv-cells.js';
import { hashFiles, statsOf, type Fingerprint } from './fingerprint.js';
import type { CellFile, Piece, LineCount, ReadAhead } from './cell-file.js';

/** The reader that is done with a piece before it asks for the next. */
const NOT_AHEAD: ReadAhead = { pieces: 0, settle: () => Promise.resolve() };

/** RFC 1952, 2.3.1. */
const GZIP_MAGIC = Buffer.of(0x1f, 0x8b);
const BYTE_ORDER_MARK = Buffer.of(0xef, 0xbb, 0xbf);
/** Byte order marks of what is not read (https://www.unicode.org/faq/utf_bom.html#bom4), longer ones first. */
const ENCODINGS = [
  [Buffer.of(0xff, 0xfe, 0, 0), 'UTF-32'],
  [Buffer.of(0, 0, 0xfe, 0xff), 'UTF-32'],
  [Buffer.of(0xff, 0xfe), 'UTF-16'],
  [Buffer.of(0xfe, 0xff), 'UTF-16'],
] as const;
const QUOTE = 34;
const LF = 10;
const CR = 13;
/** The end of a line that is continued in the next chunk is copied before it, where it fits here. */
const CARRY_ROOM = 1 << 16;

/** The header, and where the first row behind it starts. */
interface Header {
  readonly names: readonly string[];
  readonly bytes: number;
  readonly lines: number;
}

/**
 * Opens a CSV, plain or compressed with gzip, and reads its header.
 * @param chunkBytes how much of it is read at a time
 * @throws UserError (data) for a file that cannot be read, is empty, or names a column twice
 */
export async function openCsv(path: string, chunkBytes = 1 << 19): Promise<CellFile> {
  const isFile = await stat(path).then(
    (stats) => stats.isFile() || stats.isDirectory(),
    (error: unknown) => {
      throw unreadable(path, error);
    },
  );
  if (!isFile) throw userError('data', { where: path, message: 'is not a file; a pipe can be read only once', fix: 'write it to a file' });
  const isGzip = await readable(path, async () => GZIP_MAGIC.equals(await firstBytes(path, 2)));
  const { names, bytes, lines } = await readHeader(path, isGzip, chunkBytes);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) {
    if (NOT_A_NAME.test(twice) || looksLikeRow(names)) throw noHeader(path, names, `${quoted(twice)} twice`);
    throw userError('data', { where: `${path}:1`, key: `column ${quoted(twice)}`, message: 'stands in the header twice', fix: 'rename or remove one' });
  }
  let known: Fingerprint | undefined;
  return {
    path,
    header: names,
    stats: () => readable(path, () => statsOf(path)),
    fingerprint: async (onBytes) => (known ??= await readable(path, () => hashFiles(path, undefined, onBytes))),
    async *pieces(ahead = NOT_AHEAD) {
      const hash = known === undefined ? await createByteHash() : undefined;
      try {
        yield* readPieces(readChunks(path, isGzip, chunkBytes, CARRY_ROOM, ahead.pieces, hash), path, bytes, { line: lines + 1 }, ahead);
        const content = hash?.content();
        // What stands behind compressed data may have been left unread.
        if (content?.bytes === (await stat(path)).size) known = { '': content };
      } catch (error) {
        // What is wrong with an earlier row comes first.
        await ahead.settle();
        throw error instanceof UserError || systemCode(error) === undefined ? error : unreadable(path, error);
      }
    },
  };
}

/**
 * Where the wanted columns stand in the header.
 * @throws UserError (data) that names every column that is missing
 */
export function columnIndices({ path, header }: CellFile, wanted: readonly string[]): ReadonlyMap<string, number> {
  const indices = new Map(header.map((name, i) => [name, i]));
  const missing = wanted.filter((name) => !indices.has(name));
  if (missing.length > 0) {
    if (missing.length === wanted.length && looksLikeRow(header)) throw noHeader(path, header, 'none of the columns that the config asks for');
    const [, separator] = header.length === 1 ? (/([;\t|])/.exec(header[0]!) ?? []) : [];
    if (separator !== undefined) {
      throw userError('data', { where: `${path}:1`, message: `expected a header with commas between its columns, found one column that holds ${quoted(separator)}`, fix: 'write the file with commas' });
    }
    throw new UserError(
      'data',
      missing.map((name) => ({
        where: `${path}:1`,
        key: `column ${quoted(name)}`,
        message: 'the config asks for it, the header does not have it',
        fix: didYouMean(name, header) ?? `the header has ${header.length} columns: ${header.slice(0, 40).join(', ')}`,
      })),
    );
  }
  return new Map(wanted.map((name) => [name, indices.get(name)!]));
}

/** What is rather a value than a name: nothing, or a number. */
const NOT_A_NAME = /^([+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)?$/;

/** Whether a first line is rather a row; some columns are called by numbers. */
function looksLikeRow(names: readonly string[]): boolean {
  return 2 * names.filter((name) => NOT_A_NAME.test(name)).length >= names.length;
}

function noHeader(path: string, names: readonly string[], found: string): UserError {
  const line = quoted(names.join(','));
  return userError('data', { where: `${path}:1`, message: `expected a header with the names of columns, found ${found} in ${line}, which looks like a row`, fix: 'write a first line with the names of the columns; where this is one, give each a name of its own' });
}

async function readHeader(path: string, isGzip: boolean, chunkBytes: number): Promise<Header> {
  return readable(path, async () => {
    let head: Buffer = Buffer.alloc(0);
    for await (const { bytes } of readChunks(path, isGzip, chunkBytes, 0)) {
      head = Buffer.concat([head, bytes]);
      // A record is known to be whole where another byte follows it.
      const header = headerOf(path, head, false);
      if (header !== undefined && header.bytes < head.length) return header;
    }
    const header = headerOf(path, head, true);
    if (header === undefined) throw userError('data', { where: path, message: 'is empty; expected a header and rows' });
    return header;
  });
}

function headerOf(path: string, head: Buffer, isAll: boolean): Header | undefined {
  // The marks of UTF-32 begin as those of UTF-16.
  if (head.length < 4 && !isAll) return undefined;
  const encoding = ENCODINGS.find(([mark]) => head.subarray(0, mark.length).equals(mark))?.[1];
  if (encoding !== undefined) throw userError('data', { where: path, message: `is ${encoding} text; expected UTF-8`, fix: `convert it: iconv -f ${encoding} -t UTF-8 ${path}` });
  const begin = head.subarray(0, 3).equals(BYTE_ORDER_MARK) ? 3 : 0;
  const text = head.subarray(begin);
  const parsed = parseCells(text, 1, 1);
  const { rows, ends, error } = parsed;
  if (rows[0] !== undefined) return { names: rows[0], bytes: begin + ends[0]!, lines: countLines(text, 0, ends[0]!) };
  if (isAll || error?.code !== 'CSV_QUOTE_NOT_CLOSED') checkParsed(path, text, parsed);
  return undefined;
}

/** Everything behind the header. Lines are put together where chunks cut them; what is not plain is parsed. */
async function* readPieces(chunks: ByteChunks, path: string, headerBytes: number, next: LineCount, ahead: ReadAhead): AsyncGenerator<Piece> {
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
    if (cut > 0 && isPlain(lines)) {
      yield { bytes: lines, begin: 0, end: cut, next, progress };
      carry = Buffer.from(whole.subarray(cut));
      continue;
    }
    await ahead.settle();
    carry = Buffer.from(whole);
    if (cut === 0 && whole.length <= MAX_ROW_BYTES) continue;
    const numLeft = yield* parsedPieces(path, cut > 0 ? carry.subarray(0, cut) : carry, next, progress, cut === 0 ? 'begun' : 'whole lines');
    carry = carry.subarray((cut > 0 ? cut : carry.length) - numLeft);
  }
  await ahead.settle();
  if (carry.length > 0) yield* parsedPieces(path, carry, next, progress, 'all');
}

/**
 * Rows that need a parser. What may go on in the next chunk is left.
 * @param extent whether the bytes are the beginning of a line, whole lines, or all that is left of the file
 * @returns how many bytes are left
 */
function* parsedPieces(path: string, lines: Buffer, next: LineCount, progress: number, extent: 'begun' | 'whole lines' | 'all'): Generator<Piece, number> {
  for (let bytes = lines; ; ) {
    const parsed: LenientCells = extent === 'begun' ? parseCells(bytes, next.line) : parseLeniently(bytes, next.line);
    // A quote may be closed, and a line ended, by what comes; unless it is too long already.
    const isOpen = parsed.error === undefined ? extent === 'begun' : parsed.error.code === 'CSV_QUOTE_NOT_CLOSED' && extent !== 'all';
    if (isOpen) return bytes.length;
    yield { ...parsed, progress };
    if (parsed.bad === undefined) {
      checkParsed(path, bytes, parsed);
      next.line += countLines(bytes, 0, bytes.length);
      return 0;
    }
    next.line = parsed.bad.line + 1;
    bytes = bytes.subarray(parsed.bad.end);
  }
}

/** `carry` and `data` behind it: in the memory before `data`, where there is room. */
function joined(carry: Buffer, data: Buffer): Buffer {
  if (carry.length === 0) return data;
  if (carry.length > CARRY_ROOM) return Buffer.concat([carry, data]);
  const whole = Buffer.from(data.buffer, data.byteOffset - carry.length, carry.length + data.length);
  whole.set(carry);
  return whole;
}

/** Where the last line ends that is known to end. A carriage return is an end of its own only if no line feed follows. */
function lastLineEnd(bytes: Buffer): number {
  const lineFeed = bytes.lastIndexOf(LF);
  return lineFeed >= 0 ? lineFeed + 1 : bytes.lastIndexOf(CR, -2) + 1;
}

/** Whether whole lines need no parser: no quote, no line end of old, no row beyond the limit. */
function isPlain(lines: Buffer): boolean {
  if (lines.length > MAX_ROW_BYTES || lines.indexOf(QUOTE) >= 0) return false;
  for (let at = lines.indexOf(CR); at >= 0; at = lines.indexOf(CR, at + 1)) if (lines[at + 1] !== LF) return false;
  return true;
}

async function readable<Result>(path: string, read: () => Promise<Result>): Promise<Result> {
  try {
    return await read();
  } catch (error) {
    throw error instanceof UserError || systemCode(error) === undefined ? error : unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): UserError {
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such file',
    EISDIR: 'is a folder, with neither a manifest.json of shards nor Parquet files; expected one of these, or a CSV file',
    EACCES: 'may not be read',
    Z_DATA_ERROR: 'is not whole: what gzip compressed is damaged',
    Z_BUF_ERROR: 'is not whole: what gzip compressed ends too early',
  };
  const code = systemCode(error);
  return userError('data', { where: path, message: reasons[code ?? ''] ?? `cannot be read (${code ?? String(error)})` }, error);
}
