import type { Batch } from '../../core/batch.js';
import { startThread } from '../../system/thread.js';
import { createRowBlock, type BlockColumn } from '../../chunks/row-block.js';
import { rowFormatOf, type FormatSpec } from '../rows/row-format.js';
import { checkRows } from '../shards/check-shard-rows.js';
import type { ShardFolder, Shards } from '../shards/reader.js';
import type { ShardView } from '../shards/shard-view.js';
import { createOrderedReader, type OrderSizes } from './ordered-reader.js';
import { drawOrder, partsOf, passOf, placeOf, type PieceSizes, type Shuffle } from './pass.js';

/**
 * The rows of epochs, some whole batches at a time, in the order in which they are given out; one epoch after the
 * other.
 */
export interface Pieces {
  readonly sizes: PieceSizes;
  /** Pieces that may be asked for while another one is in use. */
  readonly ahead: 0 | 1;
  /**
   * The piece that begins with a row of an epoch, as it was read; it stays until the next one but `ahead` is asked for.
   * @throws UserError (data)
   */
  take(begin: number, shuffle: Shuffle | undefined): Promise<Batch>;
  /** Where a row of an epoch was read, for people. */
  placeOf(row: number, shuffle: Shuffle | undefined): string;
  /** Waits until nothing is read any more. */
  settle(): Promise<void>;
  /** Gives back what lies outside the garbage collector's reach. */
  close(): Promise<void>;
}

/** What a thread must know that puts rows in order. */
export interface OrderSpec {
  readonly folders: readonly ShardFolder[];
  readonly columns: readonly BlockColumn[];
  readonly spec: FormatSpec | undefined;
  readonly sizes: OrderSizes;
}

/** Asks it for a piece: the row of an epoch with which it begins. */
export interface OrderRequest {
  readonly seed: number;
  readonly epoch: number;
  readonly begin: number;
}

/**
 * Pieces of a window that a thread puts in order one by one: two that are kept take what one window does. More of them
 * are farther apart in memory.
 */
const THREAD_PIECES = 2;

const NOTHING_TO_CLOSE = (): Promise<void> => Promise.resolve();

/** Windows of rows as they lie in shards: one is read while another is in use. */
export function plainPieces(shards: Shards, { rawColumns, spec }: ShardView, window: number): Pieces {
  const { manifest } = shards;
  const format = spec && rowFormatOf(spec);
  const pass = passOf(manifest, window, undefined);
  const blocks = [0, 1].map(() => createRowBlock(rawColumns, window));
  let last: Promise<Batch> | undefined;
  const read = async (number: number): Promise<Batch> => {
    const parts = partsOf(pass, number);
    const block = blocks[number % 2]!;
    block.rows = 0;
    await shards.read(parts, rawColumns, block);
    checkRows(block, manifest.columns, format, (row) => placeOf(shards, parts, row));
    return block;
  };
  return {
    sizes: { window, piece: window },
    ahead: 1,
    take: (begin) => (last = read(begin / window)),
    placeOf: (row) => placeOf(shards, partsOf(pass, Math.floor(row / window)), row % window),
    async settle() {
      await last?.catch(() => undefined);
    },
    close: NOTHING_TO_CLOSE,
  };
}

/** Windows of rows that are put in order by this thread. */
export function shuffledPieces(shards: Shards, { rawColumns, spec }: ShardView, window: number): Pieces {
  const sizes = { window, piece: window, kept: 1, isEndless: false };
  const { take, settle } = createOrderedReader(shards, rawColumns, spec && rowFormatOf(spec), sizes);
  return {
    sizes,
    ahead: 0,
    take: (begin, shuffle) => take(shuffle!, begin),
    placeOf: placeInOrder(shards, window),
    settle,
    close: NOTHING_TO_CLOSE,
  };
}

/** The same by a thread of its own, in pieces of whole batches: it takes what the threads that train leave idle. */
export function threadedPieces(
  shards: Shards,
  { rawColumns, spec }: ShardView,
  window: number,
  batchSize: number,
): Pieces {
  const sizes = { window, piece: Math.ceil(window / THREAD_PIECES / batchSize) * batchSize, kept: 2, isEndless: true };
  const thread = startThread('data/batches/order-worker', {
    folders: shards.folders,
    columns: rawColumns,
    spec,
    sizes,
  } satisfies OrderSpec);
  let last: Promise<Batch> | undefined;
  return {
    sizes,
    ahead: 1,
    take: (begin, shuffle) =>
      (last = thread.ask({
        seed: shuffle!.seed,
        epoch: shuffle!.epoch,
        begin,
      } satisfies OrderRequest) as Promise<Batch>),
    placeOf: placeInOrder(shards, window),
    async settle() {
      await last?.catch(() => undefined);
    },
    close: () => thread.close(),
  };
}

/** Where a row of an epoch was read. The order is drawn once more for it: only what is bad has its place told. */
function placeInOrder(shards: Shards, window: number): Pieces['placeOf'] {
  return (row, shuffle) => {
    const number = Math.floor(row / window);
    const order = new Uint32Array(window);
    drawOrder(order, Math.min(window, shards.manifest.rows - number * window), shuffle!, number);
    return placeOf(shards, partsOf(passOf(shards.manifest, window, shuffle), number), order[row % window]!);
  };
}
