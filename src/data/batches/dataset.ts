import { availableParallelism } from 'node:os';
import { column, sliceRows, type Batch, type BatchRead } from '../../core/batch.js';
import { groupColumn, keyColumn, numberGroups, type KeyTexts } from '../../core/row-key.js';
import { fewerThreads } from '../../system/thread.js';
import { blockRows, createRowBlock } from '../../chunks/row-block.js';
import type { LeftOut } from '../rows/row-rule.js';
import type { IdCounts } from '../shards/id-counts.js';
import { keyTextsOf } from '../shards/key-texts.js';
import { labelCountsOf, type LabelCounts } from '../shards/label-counts.js';
import { leftOutOf } from '../shards/left-out.js';
import type { Shards } from '../shards/reader.js';
import type { Finish, ShardView } from '../shards/shard-view.js';
import { pieceAt, type Shuffle } from './pass.js';
import { plainPieces, shuffledPieces, threadedPieces, type Pieces } from './pieces.js';

/** Where to start. */
export interface BatchRange {
  /** Batches of the epoch that are left out at its beginning; next to nothing is read for them. */
  readonly skipBatches?: number;
}

/** Rows as batches. */
export interface Dataset {
  readonly rows: number;
  /** By field, where somebody counted: its ids and those that are the unknown. */
  readonly idCounts: ReadonlyMap<string, IdCounts[string]>;
  /** By reason: rows of the source that are not among them. */
  readonly leftOut: LeftOut;
  /** By label column, where somebody counted: rows in which it is 1. */
  readonly labelCounts: LabelCounts;
  /** By column that is kept as keys: the texts of those that are hashes. */
  readonly keyTexts: ReadonlyMap<string, KeyTexts>;
  /** Every usable row once; all batches are full but the last. */
  batches(batchSize: number, shuffle?: Shuffle, range?: BatchRange): AsyncGenerator<BatchRead>;
  /**
   * The labels of all rows, of so many at a time as suits; next to nothing is read beside them. Valid until the next
   * are asked for.
   */
  labels(): AsyncGenerator<Pick<Batch, 'rows' | 'labels'>>;
  /** Ends what was kept for the next batches: where rows were shuffled, a thread may be. There are none to come. */
  close(): Promise<void>;
}

/** The labels of rows. */
export type LabeledRows = Pick<Dataset, 'rows' | 'labelCounts' | 'labels'>;

/** Rows that are read at a time where nothing is shuffled and rows are not wide. */
const READ_AHEAD_ROWS = 1 << 14;

/** How rows of shards become batches. */
export interface DatasetOptions {
  /** Of the fields that the view makes of the shards. */
  readonly idCounts?: Dataset['idCounts'];
  /** Columns whose groups batches have as labels. */
  readonly lossKeys?: readonly string[] | undefined;
  /**
   * Threads that there are for all that is done at once; where there are several, a further one puts many rows in
   * order.
   */
  readonly threads?: number | undefined;
  /** Rows from which on they are many. */
  readonly threadedRows?: number;
  /** Told where the thread cannot start. */
  readonly onWarning?: ((text: string) => void) | undefined;
}

/** Fewer are in order before a thread has started. */
const THREADED_ROWS = 1 << 18;

/** Shards as a data set. While batches of some rows are given out, the next ones are read. */
export function shardDataset(
  shards: Shards,
  view: ShardView,
  {
    idCounts = new Map(),
    lossKeys = [],
    threads = availableParallelism(),
    threadedRows = THREADED_ROWS,
    onWarning,
  }: DatasetOptions = {},
): Dataset {
  const { manifest } = shards;
  const { rows } = manifest;
  // Memory is used again from epoch to epoch: fresh pages cost more than what is written into them.
  let spare:
    | {
        readonly window: number;
        readonly batchSize: number;
        readonly isShuffled: boolean;
        readonly pieces: Pieces;
        readonly finish: Finish;
      }
    | undefined;

  const shuffled = (window: number, batchSize: number): Pieces => {
    if (threads === 1 || rows < threadedRows) return shuffledPieces(shards, view, window);
    try {
      return threadedPieces(shards, view, window, batchSize);
    } catch (error) {
      onWarning?.(fewerThreads(error, threads));
      return shuffledPieces(shards, view, window);
    }
  };
  /** Memory for rows, of before where that suits. */
  const take = async (window: number, batchSize: number, isShuffled: boolean): Promise<NonNullable<typeof spare>> => {
    const last = spare;
    spare = undefined;
    if (last?.window === window && last.batchSize === batchSize && last.isShuffled === isShuffled) return last;
    await last?.pieces.close();
    const pieces = isShuffled ? shuffled(window, batchSize) : plainPieces(shards, view, window);
    return { window, batchSize, isShuffled, pieces, finish: view.createFinish(pieces.sizes.piece) };
  };

  return {
    rows,
    idCounts,
    leftOut: leftOutOf(manifest),
    labelCounts: labelCountsOf(manifest),
    keyTexts: view.keyTexts ?? keyTextsOf(manifest),
    async *batches(batchSize, shuffle, { skipBatches = 0 } = {}) {
      // Whole batches, so that only the last one may be short; no more than there are.
      const window =
        Math.min(
          Math.max(1, Math.ceil((shuffle?.window ?? blockRows(view.rawColumns, READ_AHEAD_ROWS)) / batchSize)),
          Math.ceil(rows / batchSize),
        ) * batchSize;
      const isShuffled = shuffle !== undefined;
      const own = await take(window, batchSize, isShuffled);
      const { pieces, finish } = own;
      const takePiece = (from: number): Promise<Batch> | undefined => {
        if (from >= rows) return undefined;
        const taken = pieces.take(from, shuffle);
        // What fails is thrown where it is awaited.
        taken.catch(() => undefined);
        return taken;
      };
      let at = skipBatches * batchSize;
      let next = takePiece(pieceAt(pieces.sizes, rows, at).begin);
      try {
        while (next !== undefined) {
          const { begin: from, end } = pieceAt(pieces.sizes, rows, at);
          const raw = await next;
          const block = finish(raw, (row) => pieces.placeOf(from + row, shuffle));
          if (pieces.ahead > 0) next = takePiece(end);
          for (; at < end; at += batchSize) {
            yield {
              batch: withGroups(sliceRows(block, at - from, Math.min(at + batchSize, end) - from), lossKeys),
              totalRows: rows,
            };
          }
          at = end;
          if (pieces.ahead === 0) next = takePiece(end);
        }
      } finally {
        await pieces.settle();
        // Two may have read at once.
        const other = spare;
        spare = own;
        await other?.pieces.close();
      }
    },

    async *labels() {
      const columns = view.columns.filter(({ kind }) => kind === 'label');
      const block = createRowBlock(columns, Math.max(...manifest.shards.map((shard) => shard.rows)));
      for (const [shard, { rows: end }] of manifest.shards.entries()) {
        block.rows = 0;
        // Batches hold every byte to the manifest before a step is taken with it.
        await shards.read([{ shard, begin: 0, end }], columns, block, true);
        yield block;
      }
    },

    async close() {
      await spare?.pieces.close();
      spare = undefined;
    },
  };
}

/** A batch that tells, as labels, which of its rows have the same cells in some columns. */
function withGroups(batch: Batch, lossKeys: readonly string[]): Batch {
  if (lossKeys.length === 0) return batch;
  const labels = new Map(batch.labels);
  for (const name of lossKeys) {
    const groups = new Float32Array(batch.rows);
    numberGroups(column(batch.keys ?? new Map<string, Uint32Array>(), keyColumn(name)), batch.rows, groups);
    labels.set(groupColumn(name), groups);
  }
  return { ...batch, labels };
}
