import { blockRows } from '../chunks/row-block.js';
import type { Fitted } from '../features/feature-types.js';
import { EncodePool, type EncodePoolOptions } from './encoding/encode-pool.js';
import { fitChunks } from './encoding/fit-chunks.js';
import type { CellFile, FileChunk, PieceOptions, RowSource } from './readers/cell-file.js';
import type { Position, ReadCursor } from './readers/read-cursor.js';
import { cutLines } from './readers/cut-lines.js';
import type { TextPlace } from './readers/text-place.js';
import type { LeftOut, RejectPolicy } from './rows/rejects.js';
import { itemAdder } from './rows/event-columns.js';
import { rowEncoder, type EncodedBatch, type RowCollector } from './rows/row-collector.js';
import type { EncodedFormat, RowFormat } from './rows/row-format.js';
import type { RowFilter } from './rows/row-filter.js';

// The path of rows: a reader yields chunks of columns, fields are fitted on chunks, and chunks are encoded to batches.

export interface ReadOptions extends Pick<PieceOptions, 'isGrowing' | 'hashesPrefix'> {
  /**
   * Where the read begins. It moves to the end of each chunk when the next one is requested, and to the end of each
   * batch before the batch is yielded.
   */
  readonly cursor?: ReadCursor | undefined;
}

export interface EncodeOptions extends Partial<EncodePoolOptions>, ReadOptions {
  /** Receives the share of the file that was read. */
  readonly onShare?: (share: number) => void;
  /** Whether rows are encoded as they are stored, without the items of event logs. Default: false. */
  readonly isStored?: boolean;
}

/** Rows that are encoded before they are yielded, fewer if they are wide. */
const BATCH_ROWS = 1 << 13;

/** A chunk of one of several files. */
interface NumberedChunk extends FileChunk {
  /** Share of its file that was read. */
  readonly progress: number;
  /** Number of its file, from 0. */
  readonly file: number;
}

/**
 * Reads the chunks of files, one file after the other.
 * @throws UserError (data) for a file that cannot be read, after the rows before it
 */
export async function* readChunks(
  sources: readonly RowSource[],
  onShare: (share: number, source: RowSource) => void = () => undefined,
  { cursor, ...options }: ReadOptions = {},
): AsyncGenerator<NumberedChunk> {
  for (const [file, source] of sources.entries()) {
    const { csv, columns } = source;
    const from = cursor?.positionIn(csv.path);
    let line = firstLine(csv, from);
    for await (const piece of csv.pieces({ from, place: cursor?.placeIn(csv.path), ...options })) {
      if ('failure' in piece) throw piece.failure(line);
      for (const chunk of 'bytes' in piece ? cutLines(columns, piece) : [piece]) {
        yield { chunk, columns, line, progress: piece.progress, file };
        cursor?.moveAfter(csv.path, chunk, line);
        line += chunk.numLines;
      }
      onShare((file + piece.progress) / sources.length, source);
    }
  }
}

function firstLine({ headerLines = 0 }: Pick<CellFile, 'headerLines'>, from: Position | undefined): number {
  return from?.line ?? 1 + headerLines;
}

/**
 * Encodes all rows of files, in order. The result does not depend on the number of threads, which is 1 for several
 * files. Invalid rows are part of the result.
 * @throws UserError (data) for a file that cannot be read, after the rows before it
 */
export async function* encodeRows(
  sources: RowSource | readonly RowSource[],
  format: EncodedFormat,
  { isStored = false, threads = 1, kept = { names: [] }, ...options }: EncodeOptions = {},
): AsyncGenerator<EncodedBatch> {
  const addItems = isStored ? undefined : itemAdder(format.fields);
  const [first, ...others] = [sources].flat() as [RowSource, ...RowSource[]];
  const batches =
    threads > 1 && others.length === 0
      ? encodeOnThreads(first, format, { ...options, threads, kept })
      : collectRows(sources, rowEncoder(first.columns, format, kept), options.onShare, options);
  for await (const rows of batches) yield addItems === undefined ? rows : { ...rows, batch: addItems(rows.batch) };
}

/**
 * Collects all rows of files, in order.
 * @param collector of the first file
 * @throws UserError (data) for a file that cannot be read, after the rows before it
 */
export async function* collectRows(
  sources: RowSource | readonly RowSource[],
  collector: RowCollector,
  onShare: (share: number) => void = () => undefined,
  options: ReadOptions = {},
): AsyncGenerator<EncodedBatch> {
  const limit = blockRows(collector.columns, BATCH_ROWS);
  const all = [sources].flat();
  let current = 0;
  try {
    for await (const { chunk, file, line } of readChunks(all, onShare, options)) {
      if (collector.rows > 0 && collector.rows + chunk.rows > limit) yield collector.take();
      while (current < file) collector.startFile(all[++current]!.columns);
      collector.add(chunk, line);
    }
    while (current < all.length - 1) collector.startFile(all[++current]!.columns);
  } catch (error) {
    // An invalid row comes before what is wrong after it.
    yield collector.take();
    throw error;
  }
  yield collector.take();
}

/** Encodes plain lines on several threads, and all other pieces on this one. */
async function* encodeOnThreads(
  { csv, columns }: RowSource,
  format: EncodedFormat,
  { cursor, isGrowing, ...options }: EncodeOptions & EncodePoolOptions,
): AsyncGenerator<EncodedBatch> {
  const encoder = rowEncoder(columns, format, options.kept);
  const pool = new EncodePool(columns, format, options);
  const from = cursor?.positionIn(csv.path);
  let line = firstLine(csv, from);
  /** Places after the lines in flight. */
  const ends: (TextPlace | undefined)[] = [];
  const takeOldest = async (): Promise<EncodedBatch> => {
    const { rows, numLines } = await pool.take(line);
    line += numLines;
    const end = ends.shift();
    cursor?.moveTo(csv.path, end, line);
    return rows;
  };
  try {
    try {
      for await (const piece of csv.pieces({ numKept: pool.capacity, from, isGrowing })) {
        if ('bytes' in piece) {
          ends.push(cursor && piece.place?.after(piece.bytes));
          await pool.start(piece, line);
          while (pool.isReady) yield await takeOldest();
        } else {
          while (pool.size > 0) yield await takeOldest();
          if ('failure' in piece) throw piece.failure(line);
          encoder.add(piece, line);
          cursor?.moveAfter(csv.path, piece, line);
          line += piece.numLines;
          yield encoder.take();
        }
        options.onShare?.(piece.progress);
      }
    } catch (error) {
      while (pool.size > 0) yield await takeOldest();
      throw error;
    }
    while (pool.size > 0) yield await takeOldest();
  } finally {
    await pool.close();
  }
}

/**
 * Fits vocabularies and scales on the rows of files, in one pass; no pass if nothing is fitted.
 * @param onShare receives the share of a file that was read, and the file
 * @param excluded rows that were excluded from the sources, and the filter that excluded them
 * @throws UserError (data) for an invalid row that the policy does not skip, and if no row is left
 */
export function fitRows(
  sources: readonly RowSource[],
  format: RowFormat,
  policy: RejectPolicy,
  onShare: (share: number, source: RowSource) => void = () => undefined,
  excluded: { readonly leftOut?: LeftOut; readonly filter?: RowFilter | undefined } = {},
): Promise<Fitted> {
  const paths = sources.map(({ csv }) => csv.path);
  return fitChunks(readChunks(sources, onShare), paths, format, policy, excluded);
}
