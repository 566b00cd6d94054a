import type { Batch } from '../../core/batch.js';
import { createOrderedRows } from '../rows/ordered-rows.js';
import type { BlockColumn } from '../../chunks/row-block.js';
import type { RowFormat } from '../rows/row-format.js';
import { checkRows } from '../shards/check-shard-rows.js';
import type { Shards } from '../shards/reader.js';
import { drawOrder, partsOf, passOf, pieceAt, placeOf, type PieceSizes, type Shuffle } from './pass.js';

/** How many rows are read, put in order, and kept. */
export interface OrderSizes extends PieceSizes {
  /** Pieces that are there at once. */
  readonly kept: number;
  /**
   * Whether the first window of the next epoch is read behind the last of one: it costs others nothing where it is not
   * asked for.
   */
  readonly isEndless: boolean;
}

/** Reads windows of rows, and gives pieces of them in the order of an epoch. */
export interface OrderedReader {
  /**
   * Gives the piece of an epoch that begins with this row. It lies in shared memory, and stays until as many others as
   * are kept were asked for.
   * @throws UserError (data)
   */
  take(shuffle: Omit<Shuffle, 'window'>, begin: number): Promise<Batch>;
  /** Waits until nothing is read any more. */
  settle(): Promise<void>;
}

/**
 * A reader of shards. The next window is read while the last piece of the one before it is in use.
 * @param format that rows have to keep to, where not their own writer saw to it
 */
export function createOrderedReader(
  shards: Shards,
  columns: readonly BlockColumn[],
  format: RowFormat | undefined,
  sizes: OrderSizes,
): OrderedReader {
  const { manifest } = shards;
  const { window, kept, isEndless } = sizes;
  let place = 0;
  const rows = createOrderedRows(columns, window, sizes.piece, kept);
  const order = new Uint32Array(window);
  const { raw } = rows;
  /** The window that is read, or was. */
  let held: { readonly key: string; readonly isRead: Promise<void> } | undefined;

  const readWindow = async (shuffle: Omit<Shuffle, 'window'>, number: number): Promise<void> => {
    const parts = partsOf(passOf(manifest, window, shuffle), number);
    raw.rows = 0;
    await shards.read(parts, columns, raw);
    checkRows(raw, manifest.columns, format, (row) => placeOf(shards, parts, row));
    drawOrder(order, raw.rows, shuffle, number);
  };
  const settle = async (): Promise<void> => {
    await held?.isRead.catch(() => undefined);
  };
  const keyOf = ({ seed, epoch }: Omit<Shuffle, 'window'>, number: number): string => [seed, epoch, number].join();
  /** Begins to read a window when the one before it is there: they have their memory in common. */
  const begin = (shuffle: Omit<Shuffle, 'window'>, number: number): Promise<void> => {
    const isRead = settle().then(() => readWindow(shuffle, number));
    // What fails is thrown where it is awaited, and tried again where it is asked for again.
    isRead.catch(() => {
      if (held?.isRead === isRead) held = undefined;
    });
    held = { key: keyOf(shuffle, number), isRead };
    return isRead;
  };

  return {
    async take(shuffle, first) {
      const { number, begin: from, end } = pieceAt(sizes, manifest.rows, first);
      await (held?.key === keyOf(shuffle, number) ? held.isRead : begin(shuffle, number));
      place = (place + 1) % kept;
      const batch = rows.put(order.subarray(from - number * window, end - number * window), place);
      if (end < Math.min((number + 1) * window, manifest.rows)) return batch;
      if (end < manifest.rows) void begin(shuffle, number + 1);
      else if (isEndless) void begin({ ...shuffle, epoch: shuffle.epoch + 1 }, 0);
      return batch;
    },
    settle,
  };
}
