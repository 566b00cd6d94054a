import { availableParallelism } from 'node:os';
import { column, numberColumn, sliceRows, withColumns, type Batch, type BatchRead } from '../../core/batch.js';
import { numberGroups } from '../../core/key-index.js';
import { groupColumn, keyColumn, type KeyTexts } from '../../core/row-key.js';
import { fewerThreads } from '../../system/thread.js';
import { blockRows, createRowBlock } from '../../chunks/row-block.js';
import type { AddItems } from '../rows/event-columns.js';
import type { LeftOut } from '../rows/rejects.js';
import { readKeyTexts, readLabelCounts, readLeftOut, type IdCount } from '../shards/counts.js';
import type { Shards } from '../shards/reader.js';
import type { Finish, ShardView } from '../shards/shard-view.js';
import { findPiece, locateInEpoch, listParts, planPass, type Shuffle } from './pass.js';
import { plainPieces, ShuffledPieces, threadedPieces, type Pieces } from './pieces.js';

/** Part of an epoch. */
export interface BatchRange {
  /** Number of batches to skip at the beginning of the epoch, nearly without reading them. */
  readonly skipBatches?: number;
}

export interface Dataset {
  readonly rows: number;
  /** By field whose ids were counted: the number of ids, and of out-of-vocabulary ids. */
  readonly idCounts: ReadonlyMap<string, IdCount>;
  /** Number of rows whose user is not in an event log, by log; default: none. */
  readonly absentUsers?: ReadonlyMap<string, number> | undefined;
  /** Excluded rows of the source, by reason. */
  readonly leftOut: LeftOut;
  /** Number of rows with label 1, by label column whose values were counted. */
  readonly labelCounts: ReadonlyMap<string, number>;
  /** Texts of hashed keys, by key column. */
  readonly keyTexts: ReadonlyMap<string, KeyTexts>;
  /** Yields each usable row once; all batches are full except the last. */
  batches(batchSize: number, shuffle?: Shuffle, range?: BatchRange): AsyncGenerator<BatchRead>;
  /** Yields the labels of all rows, reading little else. They are valid until the next ones are yielded. */
  labels(): AsyncGenerator<Batch>;
  /** Ends the thread that shuffles rows, if any. No batches may follow. */
  close(): Promise<void>;
}

/** Labels of rows, in memory or of a data set. */
export interface LabeledRows extends Pick<Dataset, 'rows' | 'labelCounts'> {
  labels(): Iterable<Batch> | AsyncIterable<Batch>;
}

/** Rows that are read together without shuffling; fewer if they are wide. */
const READ_AHEAD_ROWS = 1 << 14;

/** How rows of shards become batches. */
interface DatasetOptions {
  /** Counts of the view's fields. */
  readonly idCounts?: Dataset['idCounts'];
  readonly absentUsers?: Dataset['absentUsers'];
  /** Creates a function that adds items to each batch. */
  readonly createAdder?: () => AddItems | undefined;
  /** Key columns whose groups are added to batches as labels. */
  readonly lossKeys?: readonly string[] | undefined;
  /** Number of threads of training. With several, one more shuffles the rows of a large data set. */
  readonly threads?: number | undefined;
  /** Number of rows of a large data set. */
  readonly threadedRows?: number;
  /** Receives a warning if the thread cannot start. */
  readonly onWarning?: ((text: string) => void) | undefined;
}

/** Fewer rows are shuffled faster than a thread starts. */
const THREADED_ROWS = 1 << 18;

/** Opens shards as a data set. The next rows are read while batches are yielded. */
export function shardDataset(shards: Shards, view: ShardView, options: DatasetOptions = {}): Dataset {
  return new ShardDataset(shards, view, options);
}

/** Memory for pieces of the rows. */
interface PieceMemory {
  /** Window, batch size and whether rows are shuffled. */
  readonly key: string;
  readonly pieces: Pieces;
  readonly finish: Finish;
}

class ShardDataset implements Dataset {
  readonly rows: number;
  readonly idCounts: Dataset['idCounts'];
  readonly absentUsers: Dataset['absentUsers'];
  readonly leftOut: LeftOut;
  readonly labelCounts: Dataset['labelCounts'];
  readonly keyTexts: Dataset['keyTexts'];
  readonly #shards: Shards;
  readonly #view: ShardView;
  readonly #options: DatasetOptions;
  /** Memory that epochs reuse: page faults of new memory take longer than the writes to it. */
  #spare: PieceMemory | undefined;

  constructor(shards: Shards, view: ShardView, options: DatasetOptions) {
    const { manifest } = shards;
    this.rows = manifest.rows;
    this.idCounts = options.idCounts ?? new Map();
    this.absentUsers = options.absentUsers;
    this.leftOut = readLeftOut(manifest);
    this.labelCounts = readLabelCounts(manifest);
    this.keyTexts = view.keyTexts ?? readKeyTexts(manifest);
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
    const { lossKeys = [], createAdder } = this.#options;
    const addItems = createAdder?.();
    const memory = await this.#takeMemory(this.#windowOf(batchSize, shuffle), batchSize, shuffle !== undefined);
    const { pieces, finish } = memory;
    const { window } = pieces.sizes;
    const takePiece = (from: number): Promise<Batch> | undefined => {
      if (from >= rows) return undefined;
      const taken = pieces.take(from, shuffle);
      // The caller that awaits the piece receives the error.
      taken.catch(() => undefined);
      return taken;
    };
    let row = skipBatches * batchSize;
    let next = takePiece(findPiece(pieces.sizes, rows, row).begin);
    try {
      while (next !== undefined) {
        const { begin, end } = findPiece(pieces.sizes, rows, row);
        const raw = await next;
        const block = finish(raw, (r) => locateInEpoch(this.#shards, window, begin + r, shuffle));
        if (pieces.prefetches) next = takePiece(end);
        for (; row < end; row += batchSize) {
          const slice = sliceRows(block, row - begin, Math.min(row + batchSize, end) - begin);
          yield { batch: withGroups(addItems?.(slice) ?? slice, lossKeys), totalRows: rows };
        }
        row = end;
        if (!pieces.prefetches) next = takePiece(end);
      }
    } finally {
      await next?.catch(() => undefined);
      await this.#giveBack(memory);
    }
  }

  async *labels(): AsyncGenerator<Batch> {
    const columns = this.#view.columns.filter(({ kind }) => kind === 'label');
    const pass = planPass(this.#shards.manifest, READ_AHEAD_ROWS, undefined);
    const block = createRowBlock(columns, Math.min(this.rows, READ_AHEAD_ROWS));
    for (let window = 0; window * READ_AHEAD_ROWS < this.rows; window++) {
      block.rows = 0;
      // Reading batches verifies the checksums.
      await this.#shards.read(listParts(pass, window), columns, block, true);
      yield block;
    }
  }

  async close(): Promise<void> {
    await this.#spare?.pieces.close?.();
    this.#spare = undefined;
  }

  /** Returns the rows of a window, in whole batches: the rows of the shuffle or more, but at most all rows. */
  #windowOf(batchSize: number, shuffle: Shuffle | undefined): number {
    const window = shuffle?.window ?? blockRows(this.#view.rawColumns, READ_AHEAD_ROWS);
    return Math.min(Math.max(1, Math.ceil(window / batchSize)), Math.ceil(this.rows / batchSize)) * batchSize;
  }

  /** Returns the spare memory if it fits, else new memory. */
  async #takeMemory(window: number, batchSize: number, isShuffled: boolean): Promise<PieceMemory> {
    const spare = this.#spare;
    this.#spare = undefined;
    const key = [window, batchSize, isShuffled].join();
    if (spare?.key === key) return spare;
    await spare?.pieces.close?.();
    const pieces = isShuffled ? this.#createShuffled(window, batchSize) : plainPieces(this.#shards, this.#view, window);
    return { key, pieces, finish: this.#view.createFinish(pieces.sizes.piece) };
  }

  /** Keeps memory for the next batches. */
  async #giveBack(memory: PieceMemory): Promise<void> {
    // Two generators may have been in use at the same time.
    const other = this.#spare;
    this.#spare = memory;
    await other?.pieces.close?.();
  }

  #createShuffled(window: number, batchSize: number): Pieces {
    const { threads = availableParallelism(), threadedRows = THREADED_ROWS, onWarning } = this.#options;
    if (threads > 1 && this.rows >= threadedRows) {
      try {
        return threadedPieces(this.#shards, this.#view, window, batchSize);
      } catch (error) {
        onWarning?.(fewerThreads(error, threads));
      }
    }
    return new ShuffledPieces(this.#shards, this.#view, { window, piece: window }, 1);
  }
}

/** Adds a label per key column: the number of each row's group, which has the same key. */
export function withGroups(batch: Batch, lossKeys: readonly string[]): Batch {
  if (lossKeys.length === 0) return batch;
  return withColumns(
    batch,
    lossKeys.map((name) => {
      const groups = new Float32Array(batch.rows);
      numberGroups(column(batch, keyColumn(name), 'u32').data, batch.rows, groups);
      return [groupColumn(name), numberColumn(groups)];
    }),
  );
}
