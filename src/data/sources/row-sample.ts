import { UserError } from '../../core/errors.js';
import { randomStream } from '../../core/random.js';
import type { DialectOptions } from '../dialect.js';
import { indexedCache } from '../cache/cache.js';
import { openStreamStore, temporaryFolder } from '../cache/stream-store.js';
import { sliceChunk } from '../../chunks/chunk.js';
import type { CellFile, Piece, RowSource } from '../readers/cell-file.js';
import { openRows } from '../readers/open-rows.js';
import { openFile } from './cell-part.js';
import { encodeRows, fitRows, readChunks } from '../pipeline.js';
import { findFiles, type DataFile } from './find-files.js';
import { openSource, type OpenSource } from './open-source.js';
import { wrapSource, type Reading } from './source.js';

/** Maximum number of runs of consecutive rows in a sample. */
const MAX_RUNS = 10_000;

/** Opens sources as samples of their rows. */
export interface RowSampler {
  readonly open: OpenSource;
  /** Whether any source has more rows than its sample. */
  readonly isCut: boolean;
}

/** Range of row numbers, from 0. */
interface Run {
  readonly begin: number;
  readonly end: number;
}

/**
 * Creates a sampler of about `limit` rows per source: stratified over all of its files, at random positions; in shards,
 * at even distances. Smaller sources are read completely. Files are read to their end to find all damage, but rows
 * outside the sample are not encoded; nothing is cached. Byte offsets are not guessed, since quotes may contain line
 * feeds.
 */
export function createRowSampler(limit: number): RowSampler {
  let isCut = false;
  /** Number of rows by path; splits of one source have the same files. */
  const counts = new Map<string, number>();
  const countFile = async ({ path, constants }: DataFile, dialect: DialectOptions): Promise<number> => {
    const known = counts.get(path);
    if (known !== undefined) return known;
    const rows = await openRows(path, [], dialect, constants);
    rows.csv.stream?.keep(() => openStreamStore(indexedCache({ folder: temporaryFolder() })));
    const count = await countRows(rows);
    counts.set(path, count);
    return count;
  };

  return {
    get isCut() {
      return isCut;
    },
    async open(paths, columns, dialect = {}, computed) {
      const whole = await openSource(paths, columns, dialect, computed);
      if (!whole.takesRules) {
        const sample = whole.sample?.(limit);
        if (sample !== undefined) isCut = true;
        return sample ?? whole;
      }
      const files = findFiles(paths);
      const openSample = async (wanted: readonly string[], reading: Reading): Promise<readonly RowSource[]> => {
        await computed?.prepare({ ...reading, cache: { folder: temporaryFolder() } });
        const opened: RowSource<CellFile>[] = [];
        for (const file of files) opened.push((await openFile(file, { columns: wanted, dialect, computed })).rows);
        const rows: number[] = [];
        for (const file of files) rows.push(await countFile(file, dialect));
        const total = rows.reduce((sum, count) => sum + count, 0);
        if (total <= limit) return opened;
        isCut = true;
        const runs = sampleRuns(total, limit);
        let first = 0;
        return opened.map((source, i) => {
          const sample = sampleFile(source, runs, first);
          first += rows[i]!;
          return sample;
        });
      };
      return wrapSource(whole, {
        fit: async (format, reading) => fitRows(await openSample(columns, reading), format, reading.policy),
        async *stream(format, kept, reading) {
          const { policy, signal } = reading;
          for (const rows of await openSample([...new Set([...columns, ...kept])], reading)) {
            const options = { kept: { names: kept }, onShare: () => signal?.throwIfAborted() };
            for await (const batch of encodeRows(rows, format, options)) {
              for (const row of batch.rejects) policy.reject(row);
              yield batch;
            }
          }
        },
      });
    },
  };
}

/** Samples a run at a random position of each stratum; the first run begins with row 0. */
function sampleRuns(total: number, limit: number): readonly Run[] {
  const numRuns = Math.min(MAX_RUNS, limit);
  const length = Math.floor(limit / numRuns);
  const random = randomStream(0, 'rows of a sample');
  return Array.from({ length: numRuns }, (_, i) => {
    const [low, high] = [Math.floor((i * total) / numRuns), Math.floor(((i + 1) * total) / numRuns)];
    const begin = i === 0 ? 0 : low + random.below(high - low - length + 1);
    return { begin, end: begin + length };
  });
}

/** Counts the rows of a file up to its first error, which reading the sample reports. */
async function countRows(source: RowSource): Promise<number> {
  let count = 0;
  try {
    for await (const { chunk } of readChunks([source])) count += chunk.rows;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
  }
  return count;
}

/**
 * Returns a file without the rows outside of runs; invalid lines are kept.
 * @param first number of the file's first row
 */
function sampleFile(source: RowSource<CellFile>, runs: readonly Run[], first: number): RowSource<CellFile> {
  async function* pieces(): AsyncGenerator<Piece> {
    let row = first;
    let next = runs.findIndex(({ end }) => end > first) >>> 0;
    for await (const { chunk, progress } of readChunks([source])) {
      const { rows, numLines, invalid = [] } = chunk;
      for (; next < runs.length && runs[next]!.begin < row + rows; next++) {
        const { begin, end } = runs[next]!;
        yield { ...sliceChunk(chunk, Math.max(0, begin - row), Math.min(rows, end - row)), progress };
        // The next chunk has the rest of the run.
        if (end > row + rows) break;
      }
      const lines = invalid.map((line) => ({ ...line, before: 0 }));
      yield { rows: 0, numLines, columns: new Map(), cellsOf: () => [], invalid: lines, progress };
      row += rows;
    }
  }
  return { ...source, csv: { ...source.csv, pieces } };
}
