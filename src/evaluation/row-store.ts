import { column, type Batch } from '../core/batch.js';
import { KEY_WORDS, keyColumn } from '../core/row-key.js';
import { createKeyIndex, type KeyIndex } from '../core/key-index.js';

/** Maximum rows per block: memory grows by blocks, without copies. */
export const BLOCK_ROWS = 65_536;

/** Labels, predictions and key indices of up to `BLOCK_ROWS` rows; the first `rows` of each column are valid. */
export interface Block {
  readonly rows: number;
  readonly predictions: ReadonlyMap<string, Float32Array>;
  readonly labels: ReadonlyMap<string, Float32Array | Uint8Array>;
  /** Key indices by data column. */
  readonly numbers?: ReadonlyMap<string, Uint32Array>;
}

/** Rows of another store, as plain typed arrays that can be transferred between threads. */
export interface StoredRows {
  readonly blocks: readonly Block[];
  /** By column: two words per index. */
  readonly keys?: ReadonlyMap<string, { readonly keys: Uint32Array }>;
}

/** A store for an unknown number of rows. */
export interface RowStore {
  readonly tasks: ReadonlySet<string>;
  readonly blocks: readonly Block[];
  /** One entry per data column. */
  readonly keys: ReadonlyMap<string, KeyIndex>;
  append(batch: Batch, predictions: ReadonlyMap<string, Float32Array>): void;
  /** Adds the rows of another store. */
  take(rows: StoredRows): void;
  /** Drops the rows of the first block. */
  dropFirst(): void;
}

/**
 * Creates an empty store.
 * @param labels label columns; classification labels use one byte per row
 * @param keyColumns data columns whose keys are stored
 */
export function createRowStore(
  tasks: Iterable<string>,
  labels: readonly { readonly name: string; readonly isClass: boolean }[],
  keyColumns: readonly string[] = [],
): RowStore {
  const names = new Set(tasks);
  const blocks: Block[] = [];
  const keys = new Map(keyColumns.map((name) => [name, createKeyIndex()]));
  /** The last block, if this store allocated it. */
  let open: (Block & { rows: number; readonly numbers: ReadonlyMap<string, Uint32Array> }) | undefined;
  const createBlock = () => ({
    rows: 0,
    predictions: new Map([...names].map((name) => [name, new Float32Array(BLOCK_ROWS)])),
    labels: new Map(
      labels.map(({ name, isClass }) => [name, isClass ? new Uint8Array(BLOCK_ROWS) : new Float32Array(BLOCK_ROWS)]),
    ),
    numbers: new Map(keyColumns.map((name) => [name, new Uint32Array(BLOCK_ROWS)])),
  });
  return {
    tasks: names,
    blocks,
    keys,
    append(batch, predictions) {
      for (let begin = 0; begin < batch.rows;) {
        if (open === undefined || open.rows === BLOCK_ROWS) blocks.push((open = createBlock()));
        const end = Math.min(batch.rows, begin + BLOCK_ROWS - open.rows);
        for (const [name, stored] of open.predictions)
          stored.set(storedColumn(predictions, name).subarray(begin, end), open.rows);
        for (const [name, stored] of open.labels)
          stored.set(column(batch, name, 'f32').data.subarray(begin, end), open.rows);
        for (const [name, stored] of open.numbers) {
          const words = column(batch, keyColumn(name), 'u32').data;
          const { getIndex: numberOf } = keys.get(name)!;
          for (let row = begin; row < end; row++)
            stored[open.rows + row - begin] = numberOf(words[KEY_WORDS * row]!, words[KEY_WORDS * row + 1]!);
        }
        open.rows += end - begin;
        begin = end;
      }
    },
    take(rows) {
      const renumberings = new Map(
        Array.from(keys, ([name, { getIndex: numberOf }]) => [
          name,
          createRenumbering(storedColumn(rows.keys, name).keys, numberOf),
        ]),
      );
      for (const block of rows.blocks) {
        const numbers = new Map(
          Array.from(renumberings, ([name, renumber]) => [name, renumber(block.numbers!.get(name)!, block.rows)]),
        );
        blocks.push({ ...block, numbers });
      }
      open = undefined;
    },
    dropFirst() {
      if (blocks.shift() === open) open = undefined;
    },
  };
}

/**
 * Returns a column of stored rows.
 * @throws Error if it is absent, which is a bug
 */
export function storedColumn<Data>(columns: ReadonlyMap<string, Data> | undefined, name: string): Data {
  const data = columns?.get(name);
  if (data === undefined) throw new Error(`no column '${name}' is stored`);
  return data;
}

/** Creates a mapping from another store's indices to this store's. */
function createRenumbering(
  keys: Uint32Array,
  numberOf: KeyIndex['getIndex'],
): (numbers: Uint32Array, rows: number) => Uint32Array {
  const indices = Uint32Array.from({ length: keys.length / KEY_WORDS }, (_, number) =>
    numberOf(keys[KEY_WORDS * number]!, keys[KEY_WORDS * number + 1]!),
  );
  return (numbers, rows) => {
    const mapped = new Uint32Array(numbers.length);
    for (let row = 0; row < rows; row++) mapped[row] = indices[numbers[row]!]!;
    return mapped;
  };
}
