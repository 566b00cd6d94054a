import { column, sliceRows, type Batch, type BatchRead } from '../../batch.js';
import { groupColumn, keyColumn, numberGroups, type KeyTexts } from '../../row-key.js';
import { blockRows, createRowBlock } from '../rows/row-block.js';
import type { LeftOut } from '../rows/row-rule.js';
import type { IdCounts } from '../shards/id-counts.js';
import { keyTextsOf } from '../shards/key-texts.js';
import { labelCountsOf, type LabelCounts } from '../shards/label-counts.js';
import { leftOutOf } from '../shards/left-out.js';
import type { Shards } from '../shards/reader.js';
import type { Finish, ShardView } from '../shards/shard-view.js';
import { pieceAt, type Shuffle } from './pass.js';
import { plainPieces, shuffledPieces, type Pieces } from './pieces.js';

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
  /** The labels of all rows, of so many at a time as suits; next to nothing is read beside them. Valid until the next are asked for. */
  labels(): AsyncGenerator<Pick<Batch, 'rows' | 'labels'>>;
}

/** Rows that are read at a time where nothing is shuffled and rows are not wide. */
const READ_AHEAD_ROWS = 1 << 14;

/** How rows of shards become batches. */
export interface DatasetOptions {
  /** Of the fields that the view makes of the shards. */
  readonly idCounts?: Dataset['idCounts'];
  /** Columns whose groups batches have as labels. */
  readonly lossKeys?: readonly string[] | undefined;
}

/** Shards as a data set. While batches of some rows are given out, the next ones are read. */
export function shardDataset(shards: Shards, view: ShardView, { idCounts = new Map(), lossKeys = [] }: DatasetOptions = {}): Dataset {
  const { manifest } = shards;
  const { rows } = manifest;
  // Memory is used again from epoch to epoch: fresh pages cost more than what is written into them.
  let spare: { readonly window: number; readonly isShuffled: boolean; readonly pieces: Pieces; readonly finish: Finish } | undefined;

  const begin = (window: number, isShuffled: boolean): NonNullable<typeof spare> => {
    const pieces = isShuffled ? shuffledPieces(shards, view, window) : plainPieces(shards, view, window);
    return { window, isShuffled, pieces, finish: view.createFinish(pieces.sizes.piece) };
  };

  return {
    rows,
    idCounts,
    leftOut: leftOutOf(manifest),
    labelCounts: labelCountsOf(manifest),
    keyTexts: view.keyTexts ?? keyTextsOf(manifest),
    async *batches(batchSize, shuffle, { skipBatches = 0 } = {}) {
      // Whole batches, so that only the last one may be short; no more than there are.
      const window = Math.min(Math.max(1, Math.ceil((shuffle?.window ?? blockRows(view.rawColumns, READ_AHEAD_ROWS)) / batchSize)), Math.ceil(rows / batchSize)) * batchSize;
      const isShuffled = shuffle !== undefined;
      const own = spare?.window === window && spare.isShuffled === isShuffled ? spare : begin(window, isShuffled);
      spare = undefined;
      const { pieces, finish } = own;
      const take = (from: number): Promise<Batch> | undefined => {
        if (from >= rows) return undefined;
        const taken = pieces.take(from, shuffle);
        // What fails is thrown where it is awaited.
        taken.catch(() => undefined);
        return taken;
      };
      let at = skipBatches * batchSize;
      let next = take(pieceAt(pieces.sizes, rows, at).begin);
      try {
        while (next !== undefined) {
          const { begin: from, end } = pieceAt(pieces.sizes, rows, at);
          const raw = await next;
          const block = finish(raw, (row) => pieces.placeOf(from + row, shuffle));
          if (pieces.ahead > 0) next = take(end);
          for (; at < end; at += batchSize) {
            yield { batch: withGroups(sliceRows(block, at - from, Math.min(at + batchSize, end) - from), lossKeys), totalRows: rows };
          }
          at = end;
          if (pieces.ahead === 0) next = take(end);
        }
      } finally {
        await pieces.settle();
        spare = own;
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
