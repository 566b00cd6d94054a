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
import { partsOf, passOf, pieceAt, type Shuffle } from './pass.js';
import { plainPieces, shuffledPieces, threadedPieces, type Pieces } from './pieces.js';

/** Where to start. */
export interface BatchRange {
  /** Batches of the epoch that are skipped at its beginning; next to nothing is read for them. */
  readonly skipBatches?: number;
}

/** Rows as batches. */
export interface Dataset {
  readonly rows: number;
  /** By field whose ids were counted: the number of ids, and of out-of-vocabulary ids. */
  readonly idCounts: ReadonlyMap<string, IdCounts[string]>;
  /** Excluded rows of the source, by reason. */
  readonly leftOut: LeftOut;
  /** By label column whose values were counted: rows in which it is 1. */
  readonly labelCounts: LabelCounts;
  /** By key column: the texts of keys that are hashes. */
  readonly keyTexts: ReadonlyMap<string, KeyTexts>;
  /** Yields every usable row once; all batches are full except the last. */
  batches(batchSize: number, shuffle?: Shuffle, range?: BatchRange): AsyncGenerator<BatchRead>;
  /** Yields the labels of all rows; little else is read. They are valid until the next are yielded. */
  labels(): AsyncGenerator<Pick<Batch, 'rows' | 'labels'>>;
  /** Ends a thread that may shuffle rows. No batches may follow. */
  close(): Promise<void>;
}

/** The labels of rows. */
export type LabeledRows = Pick<Dataset, 'rows' | 'labelCounts' | 'labels'>;

/** Rows that are read at a time if nothing is shuffled and rows are not wide. */
const READ_AHEAD_ROWS = 1 << 14;

/** How rows of shards become batches. */
export interface DatasetOptions {
  /** Counts of the fields of the view. */
  readonly idCounts?: Dataset['idCounts'];
  /** Columns whose groups batches have as labels. */
  readonly lossKeys?: readonly string[] | undefined;
  /** Threads of everything that runs at once; if there are several, one more shuffles many rows. */
  readonly threads?: number | undefined;
  /** Rows that are many. */
  readonly threadedRows?: number;
  /** Called if the thread cannot start. */
  readonly onWarning?: ((text: string) => void) | undefined;
}

/** Fewer rows are shuffled before a thread has started. */
const THREADED_ROWS = 1 << 18;

/** Opens shards as a data set. While batches of some rows are yielded, the next rows are read. */
export function shardDataset(shards: Shards, view: ShardView, options: DatasetOptions = {}): Dataset {
  return new ShardDataset(shards, view, options);
}

/** Memory for pieces of the rows. */
interface PieceMemory {
  readonly window: number;
  readonly batchSize: number;
  readonly isShuffled: boolean;
  readonly pieces: Pieces;
  readonly finish: Finish;
}

class ShardDataset implements Dataset {
  readonly rows: number;
  readonly idCounts: Dataset['idCounts'];
  readonly leftOut: LeftOut;
  readonly labelCounts: LabelCounts;
  readonly keyTexts: Dataset['keyTexts'];
  readonly #shards: Shards;
  readonly #view: ShardView;
  readonly #options: DatasetOptions;
  /** Memory is reused from epoch to epoch: fresh pages cost more than the writes to them. */
  #spare: PieceMemory | undefined;

  constructor(shards: Shards, view: ShardView, options: DatasetOptions) {
    const { manifest } = shards;
    this.rows = manifest.rows;
    this.idCounts = options.idCounts ?? new Map();
    this.leftOut = leftOutOf(manifest);
    this.labelCounts = labelCountsOf(manifest);
    this.keyTexts = view.keyTexts ?? keyTextsOf(manifest);
    this.#shards = shards;
    this.#view = view;
    this.#options = options;
  }

  async *batches(
    batchSize: number,
    shuffle?: Shuffle,
    { skipBatches = 0 }: BatchRange = {},
  ): AsyncGenerator<BatchRead> {
    const { rows } = this;
    const { lossKeys = [] } = this.#options;
    const memory = await this.#takeMemory(this.#windowOf(batchSize, shuffle), batchSize, shuffle !== undefined);
    const { pieces, finish } = memory;
    const takePiece = (from: number): Promise<Batch> | undefined => {
      if (from >= rows) return undefined;
      const taken = pieces.take(from, shuffle);
      // The error of a read is thrown where the piece is awaited.
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
          const slice = sliceRows(block, at - from, Math.min(at + batchSize, end) - from);
          yield { batch: withGroups(slice, lossKeys), totalRows: rows };
        }
        at = end;
        if (pieces.ahead === 0) next = takePiece(end);
      }
    } finally {
      await pieces.settle();
      await this.#giveBack(memory);
    }
  }

  async *labels(): AsyncGenerator<Pick<Batch, 'rows' | 'labels'>> {
    const columns = this.#view.columns.filter(({ kind }) => kind === 'label');
    const pass = passOf(this.#shards.manifest, READ_AHEAD_ROWS, undefined);
    const block = createRowBlock(columns, Math.min(this.rows, READ_AHEAD_ROWS));
    for (let window = 0; window * READ_AHEAD_ROWS < this.rows; window++) {
      block.rows = 0;
      // Batches verify every byte before a step uses it.
      await this.#shards.read(partsOf(pass, window), columns, block, true);
      yield block;
    }
  }

  async close(): Promise<void> {
    await this.#spare?.pieces.close();
    this.#spare = undefined;
  }

  /** Returns the rows of a window: whole batches, so that only the last one may be short, and at most all rows. */
  #windowOf(batchSize: number, shuffle: Shuffle | undefined): number {
    const window = shuffle?.window ?? blockRows(this.#view.rawColumns, READ_AHEAD_ROWS);
    return Math.min(Math.max(1, Math.ceil(window / batchSize)), Math.ceil(this.rows / batchSize)) * batchSize;
  }

  /** Takes the spare memory if it fits, or new memory. */
  async #takeMemory(window: number, batchSize: number, isShuffled: boolean): Promise<PieceMemory> {
    const last = this.#spare;
    this.#spare = undefined;
    if (last?.window === window && last.batchSize === batchSize && last.isShuffled === isShuffled) return last;
    await last?.pieces.close();
    const pieces = isShuffled ? this.#shuffledPieces(window, batchSize) : plainPieces(this.#shards, this.#view, window);
    return { window, batchSize, isShuffled, pieces, finish: this.#view.createFinish(pieces.sizes.piece) };
  }

  /** Keeps memory for the next batches. */
  async #giveBack(memory: PieceMemory): Promise<void> {
    // Two calls of `batches` may have read at once.
    const other = this.#spare;
    this.#spare = memory;
    await other?.pieces.close();
  }

  #shuffledPieces(window: number, batchSize: number): Pieces {
    const { threads = availableParallelism(), threadedRows = THREADED_ROWS, onWarning } = this.#options;
    if (threads > 1 && this.rows >= threadedRows) {
      try {
        return threadedPieces(this.#shards, this.#view, window, batchSize);
      } catch (error) {
        onWarning?.(fewerThreads(error, threads));
      }
    }
    return shuffledPieces(this.#shards, this.#view, window);
  }
}

/** Adds labels that number the groups of rows with the same values in some columns. */
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
