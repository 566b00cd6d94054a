import { column, type Batch } from '../batch.js';

/** Rows of a block at the most: memory grows by a block at a time, and nothing is copied as it grows. */
export const BLOCK_ROWS = 65_536;

/** Labels and predictions of up to `BLOCK_ROWS` rows; `rows` of each column are filled. */
export interface Block {
  readonly rows: number;
  readonly predictions: ReadonlyMap<string, Float32Array>;
  readonly labels: ReadonlyMap<string, Float32Array | Uint8Array>;
}

/** Rows without a known end. */
export interface RowStore {
  readonly tasks: ReadonlySet<string>;
  readonly blocks: readonly Block[];
  append(batch: Batch, predictions: ReadonlyMap<string, Float32Array>): void;
  /** Takes blocks of another store, which goes on by itself. */
  take(blocks: readonly Block[]): void;
}

/**
 * An empty store.
 * @param labels the label columns; of classes, 0 or 1, a byte is kept
 */
export function createRowStore(tasks: Iterable<string>, labels: readonly { readonly name: string; readonly isClass: boolean }[]): RowStore {
  const names = new Set(tasks);
  const blocks: Block[] = [];
  /** The last block, where it is this store's own to fill. */
  let open: (Block & { rows: number }) | undefined;
  const createBlock = () => ({
    rows: 0,
    predictions: new Map([...names].map((name) => [name, new Float32Array(BLOCK_ROWS)])),
    labels: new Map(labels.map(({ name, isClass }) => [name, isClass ? new Uint8Array(BLOCK_ROWS) : new Float32Array(BLOCK_ROWS)])),
  });
  return {
    tasks: names,
    blocks,
    append(batch, predictions) {
      for (let begin = 0; begin < batch.rows; ) {
        if (open === undefined || open.rows === BLOCK_ROWS) blocks.push((open = createBlock()));
        const end = Math.min(batch.rows, begin + BLOCK_ROWS - open.rows);
        for (const [name, kept] of open.predictions) kept.set(column(predictions, name).subarray(begin, end), open.rows);
        for (const [name, kept] of open.labels) kept.set(column(batch.labels, name).subarray(begin, end), open.rows);
        open.rows += end - begin;
        begin = end;
      }
    },
    take(others) {
      for (const block of others) blocks.push({ ...block });
      open = undefined;
    },
  };
}
