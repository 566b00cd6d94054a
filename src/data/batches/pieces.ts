import { createRowBlock, type RowBlock } from '../../chunks/row-block.js';
import type { Batch } from '../../core/batch.js';
import { startThread } from '../../system/thread.js';
import { createOrderedRows, type OrderedRows } from './ordered-rows.js';
import { createRowFormat } from '../rows/row-format.js';
import { checkRows } from '../shards/check-shard-rows.js';
import type { ShardFolder, Shards } from '../shards/reader.js';
import type { ShardView } from '../shards/shard-view.js';
import { findPiece, locateInParts, listParts, planPass, shuffleWindow, type Epoch, type PieceSizes } from './pass.js';

/** Reads the rows of epochs in their order, in pieces of whole batches. */
export interface Pieces {
  readonly sizes: PieceSizes;
  /** Whether the next piece may be taken while one is in use. */
  readonly prefetches: boolean;
  /**
   * Reads the piece that begins with a row of an epoch, as stored. It is valid until the next piece is taken, or the
   * one after that if `prefetches`.
   * @throws UserError (data)
   */
  take(begin: number, shuffle: Epoch | undefined): Promise<Batch>;
  /** Waits for the reads in flight, and ends the thread, if any. */
  close?(): Promise<void>;
}

/** Stored columns to read, and the format that they are checked against. */
type RawView = Pick<ShardView, 'rawColumns' | 'spec'>;

/** `workerData` of the thread that shuffles rows. */
export interface OrderSpec {
  readonly shards: ShardFolder;
  readonly view: RawView;
  readonly sizes: PieceSizes;
}

/** Requests the piece of an epoch that begins with a row. */
export interface OrderRequest extends Epoch {
  readonly begin: number;
}

/** Pieces per window of a thread: it shuffles one while another is in use. More of them use the caches less well. */
const THREAD_PIECES = 2;

/** Reads a window of an epoch into a block, before its rows are shuffled, and checks it. */
type ReadWindow = (block: RowBlock, number: number, shuffle: Epoch | undefined) => Promise<void>;

function windowReader(shards: Shards, { rawColumns, spec }: RawView, window: number): ReadWindow {
  const { manifest } = shards;
  const format = spec && createRowFormat(spec);
  return async (block, number, shuffle) => {
    const parts = listParts(planPass(manifest, window, shuffle), number);
    block.rows = 0;
    await shards.read(parts, rawColumns, block);
    checkRows(block, manifest.columns, format, (row) => locateInParts(shards, parts, row));
  };
}

/** Reads windows in the order of the shards: one is read while another is in use. */
export function plainPieces(shards: Shards, view: RawView, window: number): Pieces {
  const read = windowReader(shards, view, window);
  const blocks = [0, 1].map(() => createRowBlock(view.rawColumns, window));
  return {
    sizes: { window, piece: window },
    prefetches: true,
    async take(begin) {
      const number = begin / window;
      const block = blocks[number % 2]!;
      await read(block, number, undefined);
      return block;
    },
  };
}

/** Reads windows and shuffles their rows. The next window is read while the last piece of a window is in use. */
export class ShuffledPieces implements Pieces {
  readonly sizes: PieceSizes;
  readonly prefetches = false;
  readonly #rows: number;
  readonly #readWindow: ReadWindow;
  readonly #ordered: OrderedRows;
  readonly #order: Uint32Array;
  readonly #numSlots: number;
  #slot = 0;
  /** The window that was read last, or is being read. */
  #window: { readonly key: string; readonly isRead: Promise<void> } | undefined;

  /**
   * @param numSlots pieces in shared memory that are valid at the same time; if there are several, the first window of
   * the next epoch is prefetched
   */
  constructor(shards: Shards, view: RawView, sizes: PieceSizes, numSlots: number) {
    this.sizes = sizes;
    this.#rows = shards.manifest.rows;
    this.#readWindow = windowReader(shards, view, sizes.window);
    this.#ordered = createOrderedRows(view.rawColumns, sizes.window, sizes.piece, numSlots);
    this.#order = new Uint32Array(sizes.window);
    this.#numSlots = numSlots;
  }

  async take(first: number, shuffle: Epoch): Promise<Batch> {
    const { window } = this.sizes;
    const { number, begin, end } = findPiece(this.sizes, this.#rows, first);
    await (this.#window?.key === windowKey(number, shuffle) ? this.#window.isRead : this.#startRead(number, shuffle));
    this.#slot = (this.#slot + 1) % this.#numSlots;
    const batch = this.#ordered.put(this.#order.subarray(begin - number * window, end - number * window), this.#slot);
    if (end === this.#rows) {
      if (this.#numSlots > 1) void this.#startRead(0, { ...shuffle, epoch: shuffle.epoch + 1 });
    } else if (end === (number + 1) * window) void this.#startRead(number + 1, shuffle);
    return batch;
  }

  async close(): Promise<void> {
    await this.#window?.isRead.catch(() => undefined);
  }

  /** Starts to read a window after the previous one, which uses the same memory. */
  #startRead(number: number, shuffle: Epoch): Promise<void> {
    const { raw } = this.#ordered;
    const isRead = this.close()
      .then(() => this.#readWindow(raw, number, shuffle))
      .then(() => shuffleWindow(this.#order, raw.rows, shuffle, number));
    // `take` throws the error of a read, and the next `take` retries.
    isRead.catch(() => {
      if (this.#window?.isRead === isRead) this.#window = undefined;
    });
    this.#window = { key: windowKey(number, shuffle), isRead };
    return isRead;
  }
}

function windowKey(number: number, { seed, epoch }: Epoch): string {
  return [seed, epoch, number].join();
}

/**
 * Reads and shuffles rows in a thread of its own, which uses the time that training threads are idle.
 * @throws Error if the system cannot start another thread
 */
export function threadedPieces(
  { folder, manifest }: Shards,
  { rawColumns, spec }: RawView,
  window: number,
  batchSize: number,
): Pieces {
  const sizes = { window, piece: Math.ceil(window / THREAD_PIECES / batchSize) * batchSize };
  const shards = { folder, manifest: { ...manifest, about: {} } };
  const about: OrderSpec = { shards, view: { rawColumns, ...(spec && { spec }) }, sizes };
  const thread = startThread('data/batches/order-worker', about);
  return {
    sizes,
    prefetches: true,
    take(begin, { seed, epoch }: Epoch) {
      const request: OrderRequest = { seed, epoch, begin };
      // The thread replies with the batch.
      return thread.ask(request) as Promise<Batch>;
    },
    close: () => thread.close(),
  };
}
