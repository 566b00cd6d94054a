import { createRowBlock, type RowBlock } from '../../chunks/row-block.js';
import type { Batch } from '../../core/batch.js';
import { startThread, type Thread } from '../../system/thread.js';
import { createOrderedRows, type OrderedRows } from './ordered-rows.js';
import { rowFormatOf, type RowFormat } from '../rows/row-format.js';
import { checkRows } from '../shards/check-shard-rows.js';
import type { ShardFolder, Shards } from '../shards/reader.js';
import type { ShardView } from '../shards/shard-view.js';
import {
  findPiece,
  locateInParts,
  partsOf,
  passOf,
  shuffleWindow,
  type Epoch,
  type Pass,
  type PieceSizes,
} from './pass.js';

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
  readonly folders: readonly ShardFolder[];
  readonly view: RawView;
  readonly sizes: PieceSizes;
}

/** Requests the piece of an epoch that begins with a row. */
export interface OrderRequest extends Epoch {
  readonly begin: number;
}

/** Pieces per window of a thread: it shuffles one while another is in use. More of them use the caches less well. */
const THREAD_PIECES = 2;

/** Reads and checks windows of stored rows. */
class WindowReader {
  readonly #shards: Shards;
  readonly #view: RawView;
  readonly #format: RowFormat | undefined;
  readonly #plainPass: Pass;

  constructor(shards: Shards, view: RawView, window: number) {
    this.#shards = shards;
    this.#view = view;
    this.#format = view.spec && rowFormatOf(view.spec);
    this.#plainPass = passOf(shards.manifest, window, undefined);
  }

  /** Reads a window of an epoch into a block, before its rows are shuffled. */
  async read(block: RowBlock, number: number, shuffle: Epoch | undefined): Promise<void> {
    const { manifest } = this.#shards;
    const pass = shuffle === undefined ? this.#plainPass : passOf(manifest, this.#plainPass.window, shuffle);
    const parts = partsOf(pass, number);
    block.rows = 0;
    await this.#shards.read(parts, this.#view.rawColumns, block);
    checkRows(block, manifest.columns, this.#format, (row) => locateInParts(this.#shards, parts, row));
  }
}

/** Reads windows in the order of the shards: one is read while another is in use. */
export class PlainPieces implements Pieces {
  readonly sizes: PieceSizes;
  readonly prefetches = true;
  readonly #reader: WindowReader;
  readonly #blocks: readonly RowBlock[];

  constructor(shards: Shards, view: RawView, window: number) {
    this.sizes = { window, piece: window };
    this.#reader = new WindowReader(shards, view, window);
    this.#blocks = [0, 1].map(() => createRowBlock(view.rawColumns, window));
  }

  async take(begin: number): Promise<Batch> {
    const number = begin / this.sizes.window;
    const block = this.#blocks[number % 2]!;
    await this.#reader.read(block, number, undefined);
    return block;
  }
}

/** Reads windows and shuffles their rows. The next window is read while the last piece of a window is in use. */
export class ShuffledPieces implements Pieces {
  readonly sizes: PieceSizes;
  readonly prefetches = false;
  readonly #rows: number;
  readonly #reader: WindowReader;
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
    this.#reader = new WindowReader(shards, view, sizes.window);
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
    const isRead = this.close().then(() => this.#read(number, shuffle));
    // `take` throws the error of a read, and the next `take` retries.
    isRead.catch(() => {
      if (this.#window?.isRead === isRead) this.#window = undefined;
    });
    this.#window = { key: windowKey(number, shuffle), isRead };
    return isRead;
  }

  async #read(number: number, shuffle: Epoch): Promise<void> {
    const { raw } = this.#ordered;
    await this.#reader.read(raw, number, shuffle);
    shuffleWindow(this.#order, raw.rows, shuffle, number);
  }
}

function windowKey(number: number, { seed, epoch }: Epoch): string {
  return [seed, epoch, number].join();
}

/** Reads and shuffles rows in a thread of its own, which uses the time that training threads are idle. */
export class ThreadedPieces implements Pieces {
  readonly sizes: PieceSizes;
  readonly prefetches = true;
  readonly #thread: Thread;

  /** @throws Error if the system cannot start another thread */
  constructor({ folders }: Shards, { rawColumns, spec }: RawView, window: number, batchSize: number) {
    this.sizes = { window, piece: Math.ceil(window / THREAD_PIECES / batchSize) * batchSize };
    const about: OrderSpec = { folders, view: { rawColumns, ...(spec && { spec }) }, sizes: this.sizes };
    this.#thread = startThread('data/batches/order-worker', about);
  }

  take(begin: number, { seed, epoch }: Epoch): Promise<Batch> {
    const request: OrderRequest = { seed, epoch, begin };
    // The thread replies with the batch.
    return this.#thread.ask(request) as Promise<Batch>;
  }

  close(): Promise<void> {
    return this.#thread.close();
  }
}
