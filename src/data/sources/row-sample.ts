import { UserError } from '../../core/errors.js';
import { randomStream } from '../../core/random.js';
import type { DialectOptions } from '../dialect.js';
import { fitFeatures } from '../encoding/fit.js';
import { streamRows } from '../encoding/stream-rows.js';
import type { CellColumn, CellColumns, CellFile, CellRows, Piece, PlainBytes } from '../files/cell-file.js';
import { openRows } from '../files/open-rows.js';
import type { RowSource } from '../files/row-reader.js';
import type { Paths } from '../options.js';
import { countLeftOut } from '../rows/row-rule.js';
import { findFiles, type DataFile } from './find-files.js';
import { openSource } from './open-source.js';
import type { Source } from './source.js';

/** Maximum number of runs of consecutive rows in a sample. */
const MAX_RUNS = 10_000;
const LF = 10;

/** Opens sources of which only a sample of rows is encoded. */
export interface RowSampler {
  /** @throws UserError (data) for files that cannot be read or lack a column */
  open(paths: Paths, columns: readonly string[], dialect: DialectOptions): Promise<Source>;
  /** Whether a source has more rows than its sample. */
  readonly isCut: boolean;
}

/** Row numbers, from 0 on, of the first row and behind the last one. */
interface Run {
  readonly begin: number;
  readonly end: number;
}

/**
 * Samples about `limit` rows of each source, evenly over all of its files: as many rows of every stretch, at random
 * places. Sources with fewer rows are
 * read whole, and so are directories of shards. Every file is read to its end, so that damage is found wherever it is;
 * rows outside the sample are not
 * encoded. Nothing is cached. A byte offset is never guessed, since a line feed may be inside of quotes.
 */
export function createRowSampler(limit: number): RowSampler {
  let isCut = false;
  /** By path, since the splits of one source have the same files. */
  const counts = new Map<string, number>();
  const countOf = async ({ path, constants }: DataFile, dialect: DialectOptions): Promise<number> => {
    const found = counts.get(path) ?? (await countRows(await openRows(path, [], dialect, constants)));
    counts.set(path, found);
    return found;
  };

  return {
    get isCut() {
      return isCut;
    },
    async open(paths, columns, dialect) {
      const whole = await openSource(paths, columns, dialect);
      if (!whole.takesRules) return whole;
      const files = findFiles(paths);
      const sampled = async (wanted: readonly string[]): Promise<readonly RowSource[]> => {
        const opened: RowSource[] = [];
        for (const { path, constants } of files) opened.push(await openRows(path, wanted, dialect, constants));
        const rows: number[] = [];
        for (const file of files) rows.push(await countOf(file, dialect));
        const total = rows.reduce((sum, count) => sum + count, 0);
        if (total <= limit) return opened;
        isCut = true;
        const runs = runsOf(total, limit);
        let first = 0;
        return opened.map((source, i) => {
          const csv = sampledFile(source.csv, runs, first);
          first += rows[i]!;
          return { ...source, csv };
        });
      };
      return {
        ...whole,
        fit: async (format, { policy }) => fitFeatures(await sampled(columns), format, policy, () => undefined),
        async stream(format, kept, { policy, signal }, take) {
          const leftOut = new Map<string, number>();
          for (const rows of await sampled([...new Set([...columns, ...kept])])) {
            countLeftOut(
              leftOut,
              await streamRows(rows, format, kept, policy, take, () => signal?.throwIfAborted(), { threads: 1 }),
            );
          }
          return leftOut;
        },
      };
    },
  };
}

/** Stratified runs: each stretch of the rows gives one, at a random place; the first gives its first rows. */
function runsOf(total: number, limit: number): readonly Run[] {
  const numRuns = Math.min(MAX_RUNS, limit);
  const length = Math.floor(limit / numRuns);
  const random = randomStream(0, 'rows of a sample');
  return Array.from({ length: numRuns }, (_, i) => {
    const [low, high] = [Math.floor((i * total) / numRuns), Math.floor(((i + 1) * total) / numRuns)];
    const begin = i === 0 ? 0 : low + random.below(high - low - length + 1);
    return { begin, end: begin + length };
  });
}

/** Number of rows of a file, as far as it can be read: who reads its rows finds what is wrong behind them. */
async function countRows({ csv }: RowSource): Promise<number> {
  let count = 0;
  try {
    for await (const piece of csv.pieces()) {
      const rows = rowsOf(piece);
      if ('bytes' in piece) piece.next.line += rows;
      count += rows;
    }
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
  }
  return count;
}

/**
 * A file of cells without the rows outside of some runs.
 * @param first number of its first row among those that runs count
 */
function sampledFile(csv: CellFile, runs: readonly Run[], first: number): CellFile {
  return {
    ...csv,
    async *pieces() {
      let row = first;
      let next = runs.findIndex(({ end }) => end > first) >>> 0;
      for await (const piece of csv.pieces()) {
        const rows = rowsOf(piece);
        const taken: Run[] = [];
        for (let i = next; i < runs.length && runs[i]!.begin < row + rows; i++) {
          const { begin, end } = runs[i]!;
          taken.push({ begin: Math.max(0, begin - row), end: Math.min(rows, end - row) });
          if (end <= row + rows) next = i + 1;
        }
        yield* cutPieces(piece, taken);
        // As a reader of all its lines counts them.
        if ('bytes' in piece) piece.next.line += rows;
        row += rows;
      }
    },
  };
}

/** The runs of a piece, and the line behind it that is no row. */
function* cutPieces(piece: Piece, runs: readonly Run[]): Generator<Piece> {
  const { progress } = piece;
  if ('columns' in piece) {
    for (const run of runs) yield { ...cutColumns(piece, run), progress };
  } else if ('rows' in piece) {
    for (const { begin, end } of runs)
      yield { rows: piece.rows.slice(begin, end), lines: piece.lines.slice(begin, end), progress };
    const bad: CellRows | undefined = piece.bad && { rows: [], lines: [], bad: piece.bad };
    if (bad !== undefined) yield { ...bad, progress };
  } else {
    for (const plain of cutLines(piece, runs)) yield { ...plain, progress };
  }
}

/** The lines of some runs, which are in order. */
function* cutLines({ bytes, begin, end: last, next }: PlainBytes, runs: readonly Run[]): Generator<PlainBytes> {
  let [line, at] = [0, begin];
  const skipTo = (wanted: number): number => {
    for (; line < wanted && at < last; line++) at = bytes.indexOf(LF, at) + 1;
    return at;
  };
  for (const run of runs) {
    const start = skipTo(run.begin);
    yield { bytes, begin: start, end: skipTo(run.end), next: { line: next.line + run.begin } };
  }
}

function cutColumns({ columns, firstRow, lines, path }: CellColumns, { begin, end }: Run): CellColumns {
  const cut = ({ type, text, numbers, items, listOf, vectors }: CellColumn): CellColumn => ({
    type,
    text: (row) => text(row + begin),
    ...(numbers !== undefined && { numbers: { ...numbers, values: numbers.values.subarray(begin, end) } }),
    ...(items !== undefined && { items: (row: number) => items(row + begin) }),
    ...(listOf !== undefined && { listOf: (row: number) => listOf(row + begin) }),
    ...(vectors !== undefined && { vectors: (row: number) => vectors(row + begin) }),
  });
  return {
    numRows: end - begin,
    firstRow: firstRow + begin,
    ...(lines !== undefined && { lines: Array.from({ length: end - begin }, (_, i) => lines[begin + i]!) }),
    path,
    columns: new Map([...columns].map(([name, column]) => [name, cut(column)])),
  };
}

/** Number of rows of a piece; of plain bytes, of its lines. */
function rowsOf(piece: Piece): number {
  if ('columns' in piece) return piece.numRows;
  if ('rows' in piece) return piece.rows.length;
  let count = 0;
  for (let at = piece.bytes.indexOf(LF, piece.begin); at >= 0 && at < piece.end; at = piece.bytes.indexOf(LF, at + 1))
    count++;
  return count;
}
