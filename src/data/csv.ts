import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { parse, type CsvError } from 'csv-parse';
import { didYouMean, quoted, systemCode, UserError, userError } from '../errors.js';
import { fingerprintFile, type Fingerprint } from './fingerprint.js';

/** Some rows of a CSV, with the line that each ends on. */
export interface CsvRows {
  readonly rows: readonly (readonly string[])[];
  readonly lines: readonly number[];
  /** Share of the file's bytes that were read so far. */
  readonly progress: number;
}

/** A CSV with a header, ready to be read from its first row. */
export interface Csv {
  readonly path: string;
  readonly header: readonly string[];
  rows(): AsyncGenerator<CsvRows>;
  /** What tells the file from what it was before. */
  fingerprint(): Promise<Fingerprint>;
}

/** A row longer than this is a quote that was never closed, or not a CSV. */
const MAX_ROW_CHARACTERS = 1 << 20;
const CHUNK_BYTES = 1 << 18;
/** RFC 1952, 2.3.1. */
const GZIP_MAGIC = [0x1f, 0x8b] as const;

/** What csv-parse means by its codes, for people. */
const PARSE_ERRORS: Readonly<Record<string, string>> = {
  CSV_QUOTE_NOT_CLOSED: 'a quote is opened and never closed',
  CSV_INVALID_CLOSING_QUOTE: 'something follows a closing quote; a quote inside a quoted cell is written twice',
  INVALID_OPENING_QUOTE: 'a quote stands inside a cell that does not start with one; quote the whole cell and write the quote twice',
  CSV_MAX_RECORD_SIZE: `a row has more than ${MAX_ROW_CHARACTERS} characters: a quote that is never closed, or not a CSV`,
};

/**
 * Opens a CSV and reads its header.
 * @throws UserError (data) for a file that cannot be read, is empty, or names a column twice
 */
export async function openCsv(path: string): Promise<Csv> {
  const { size, isFile } = await stat(path).then(
    (stats) => ({ size: stats.size, isFile: stats.isFile() || stats.isDirectory() }),
    (error: unknown) => {
      throw unreadable(path, error);
    },
  );
  if (!isFile) throw userError('data', { where: path, message: 'is not a file; a pipe can be read only once', fix: 'write it to a file' });
  const header = await readHeader(path);
  const twice = header.find((name, i) => header.indexOf(name) !== i);
  if (twice !== undefined) {
    throw userError('data', { where: `${path}:1`, key: `column ${quoted(twice)}`, message: 'stands in the header twice', fix: 'rename or remove one' });
  }
  return {
    path,
    header,
    fingerprint: async () => ({ '': await fingerprintFile(path) }),
    async *rows() {
      let isHeader = true;
      for await (const chunk of parsedChunks(path, size)) {
        yield isHeader ? { ...chunk, rows: chunk.rows.slice(1), lines: chunk.lines.slice(1) } : chunk;
        isHeader = false;
      }
    },
  };
}

/**
 * Where the wanted columns stand in the header.
 * @throws UserError (data) that names every column that is missing
 */
export function columnIndices({ path, header }: Csv, wanted: readonly string[]): ReadonlyMap<string, number> {
  const indices = new Map(header.map((name, i) => [name, i]));
  const missing = wanted.filter((name) => !indices.has(name));
  if (missing.length > 0) {
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

async function readHeader(path: string): Promise<readonly string[]> {
  for await (const { rows } of parsedChunks(path, 0)) {
    const header = rows[0];
    if (header !== undefined) return header;
  }
  throw userError('data', { where: path, message: 'is empty; expected a header and rows' });
}

/** The file's rows, header included, as csv-parse gives them, a read at a time. Chunks without a whole row are left out. */
async function* parsedChunks(path: string, size: number): AsyncGenerator<CsvRows> {
  let rows: string[][] = [];
  let lines: number[] = [];
  let failure: CsvError | undefined;
  let lastLine = 0;
  const parser = parse({
    bom: true,
    // Files that were put together may mix them.
    record_delimiter: ['\r\n', '\n', '\r'],
    skip_empty_lines: true,
    // Ragged rows are told apart later, where they may be rejected one by one.
    relax_column_count: true,
    max_record_size: MAX_ROW_CHARACTERS,
    on_record: (row: string[], context) => {
      rows.push(row);
      lastLine = context.lines;
      lines.push(lastLine);
      // Nothing is left for the stream's readable side, so that writing never waits for it.
      return null;
    },
  });
  parser.on('error', (error: CsvError) => (failure = error));
  parser.resume();

  const take = (bytes: number): CsvRows => {
    const taken = { rows, lines, progress: size === 0 ? 0 : Math.min(1, bytes / size) };
    rows = [];
    lines = [];
    return taken;
  };
  let bytes = 0;
  const stream = createReadStream(path, { highWaterMark: CHUNK_BYTES });
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      if (bytes === 0 && chunk[0] === GZIP_MAGIC[0] && chunk[1] === GZIP_MAGIC[1]) {
        throw userError('data', { where: path, message: 'is compressed with gzip; expected plain text', fix: 'decompress it with gunzip' });
      }
      parser.write(chunk);
      bytes += chunk.length;
      if (rows.length > 0) yield take(bytes);
      await failed();
    }
    await new Promise<void>((resolve) => parser.end(() => resolve()).once('error', () => resolve()));
    if (rows.length > 0) yield take(bytes);
    await failed();
  } catch (error) {
    throw error instanceof UserError || systemCode(error) === undefined ? error : unreadable(path, error);
  } finally {
    stream.destroy();
    parser.destroy();
  }

  /** Throws the parser's error, which it tells a tick after the write. */
  async function failed(): Promise<void> {
    if (failure === undefined && parser.errored === null) return;
    await Promise.resolve();
    const error = failure ?? (parser.errored as CsvError);
    // The row that goes wrong starts after the last whole one; csv-parse's own line is where it gave up.
    const problem = { where: `${path}:${lastLine + 1}`, message: PARSE_ERRORS[error.code] ?? `not a CSV (${error.code})` };
    throw userError('data', problem, error);
  }
}

function unreadable(path: string, error: unknown): UserError {
  const reasons: Readonly<Record<string, string>> = { ENOENT: 'there is no such file', EISDIR: 'is a folder; expected a CSV file', EACCES: 'may not be read' };
  const code = systemCode(error);
  return userError('data', { where: path, message: reasons[code ?? ''] ?? `cannot be read (${code ?? String(error)})` }, error);
}
