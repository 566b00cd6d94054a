import { column, type Batch, type VectorColumn } from '../core/batch.js';
import { grown } from '../core/grown.js';
import { KEY_WORDS } from '../core/row-key.js';
import { BAG_ROW_BYTES, BagBuffer } from './bag-buffer.js';

/** Memory for encoded rows: a typed array per column, of which the first `rows` rows are filled. */
export interface RowBlock extends Batch {
  rows: number;
  readonly ids: Map<string, Uint32Array>;
  readonly numbers: Map<string, Float32Array>;
  readonly labels: Map<string, Float32Array>;
  readonly bags: Map<string, BagBuffer>;
  readonly vectors: Map<string, VectorColumn>;
  readonly keys: Map<string, Uint32Array>;
  readonly doubles: Map<string, Float64Array>;
}

/** Storage of a column of encoded rows. */
export interface BlockColumn {
  readonly name: string;
  /** Bags are ids and weights with offsets; all others have the same number of elements per row. */
  readonly kind: 'id' | 'number' | 'bag' | 'label' | 'vector' | 'key' | 'double';
  /** Elements per row of a vector. */
  readonly width?: number;
}

/** The elements of a column with a fixed number per row. */
export interface WordColumn {
  readonly data: Uint32Array | Float32Array | Float64Array;
  readonly width: number;
}

/** A column with a fixed number of elements per row. */
export interface WordBlockColumn extends BlockColumn {
  readonly kind: Exclude<BlockColumn['kind'], 'bag'>;
}

type Columns = ReadonlyMap<string, WordColumn['data'] | VectorColumn> | undefined;
type Columned = Omit<Batch, 'rows' | 'bags'>;

/** The map of a batch and the array of each storage with a fixed number of elements per row. */
const STORAGE = {
  id: { mapOf: ({ ids }: Columned): Columns => ids, Array: Uint32Array },
  number: { mapOf: ({ numbers }: Columned): Columns => numbers, Array: Float32Array },
  label: { mapOf: ({ labels }: Columned): Columns => labels, Array: Float32Array },
  vector: { mapOf: ({ vectors }: Columned): Columns => vectors, Array: Float32Array },
  key: { mapOf: ({ keys }: Columned): Columns => keys, Array: Uint32Array },
  double: { mapOf: ({ doubles }: Columned): Columns => doubles, Array: Float64Array },
} as const;

/** Returns whether a column has a fixed number of elements per row. */
export function hasWords(each: BlockColumn): each is WordBlockColumn {
  return each.kind !== 'bag';
}

/** Returns the number of elements per row. */
export function elementsPerRow({ kind, width = 1 }: WordBlockColumn): number {
  return kind === 'key' ? KEY_WORDS : width;
}

/** Returns the number of bytes per row. */
export function bytesPerRow(each: WordBlockColumn): number {
  return elementsPerRow(each) * wordArray(each).BYTES_PER_ELEMENT;
}

/** Returns the elements of a column of a batch. */
export function wordColumn(batch: Omit<Batch, 'rows'>, each: WordBlockColumn): WordColumn {
  const data = column(STORAGE[each.kind].mapOf(batch) ?? new Map<string, WordColumn['data']>(), each.name);
  return ArrayBuffer.isView(data) ? { data, width: elementsPerRow(each) } : data;
}

/** Sets the elements of a column of a block or a batch that is being built. */
export function setWords(
  block: Omit<Batch, 'rows' | 'bags'>,
  { name, kind, width = 1 }: WordBlockColumn,
  data: WordColumn['data'],
): void {
  // The map of a storage holds its type of array.
  const map = STORAGE[kind].mapOf(block) as Map<string, WordColumn['data'] | VectorColumn>;
  map.set(name, kind === 'vector' ? { width, data: data as Float32Array } : data);
}

/** Returns the type of array of a column. */
export function wordArray({ kind }: WordBlockColumn): typeof Uint32Array | typeof Float32Array | typeof Float64Array {
  return STORAGE[kind].Array;
}

/** Maximum bytes of a block for rows that are read together, before its bags grow. */
const MAX_BLOCK_BYTES = 1 << 25;

/** Returns the number of rows of a block: `largest`, or fewer if rows are wide. */
export function blockRows(columns: readonly BlockColumn[], largest: number): number {
  const rowBytes = columns.reduce((sum, each) => sum + (hasWords(each) ? bytesPerRow(each) : BAG_ROW_BYTES), 0);
  return Math.max(1, Math.min(largest, Math.floor(MAX_BLOCK_BYTES / rowBytes)));
}

/** Creates a block without columns, to be built. */
export function emptyBlock(): RowBlock {
  return {
    rows: 0,
    ids: new Map(),
    numbers: new Map(),
    labels: new Map(),
    bags: new Map(),
    vectors: new Map(),
    keys: new Map(),
    doubles: new Map(),
  };
}

/**
 * Creates an empty block.
 * @param Memory of its arrays, except bags; shared memory is visible to all threads
 */
export function createRowBlock(
  columns: readonly BlockColumn[],
  capacity: number,
  Memory: typeof ArrayBuffer | typeof SharedArrayBuffer = ArrayBuffer,
): RowBlock {
  const block = emptyBlock();
  for (const each of columns) {
    if (hasWords(each)) {
      const Words: new (memory: ArrayBufferLike) => WordColumn['data'] = wordArray(each);
      setWords(block, each, new Words(new Memory(bytesPerRow(each) * capacity)));
    } else block.bags.set(each.name, new BagBuffer(capacity));
  }
  return block;
}

/** Appends rows `begin` to `end` of a batch, which has all columns of `target`. */
export function appendRows(
  source: Batch,
  columns: readonly BlockColumn[],
  begin: number,
  end: number,
  target: RowBlock,
): void {
  for (const each of columns) {
    if (hasWords(each)) {
      const { data, width } = wordColumn(target, each);
      data.set(wordColumn(source, each).data.subarray(width * begin, width * end), width * target.rows);
    } else column(target.bags, each.name).append(column(source.bags, each.name), begin, end, target.rows);
  }
  target.rows += end - begin;
}

/**
 * Copies the rows with the first `count` indices of `order` to `target`, one column at a time, since a column fits in
 * a cache.
 */
export function gatherRows(
  source: Batch,
  columns: readonly BlockColumn[],
  order: Uint32Array,
  count: number,
  target: RowBlock,
): void {
  target.rows = count;
  for (const each of columns) {
    if (hasWords(each)) {
      const from = wordsOf(wordColumn(source, each).data);
      gatherWords(from, order, count, bytesPerRow(each) / WORD_BYTES, wordsOf(wordColumn(target, each).data));
    } else column(target.bags, each.name).gather(column(source.bags, each.name), order, 0, count);
  }
}

/** Moves the first `count` rows `first + kept[i]`, in increasing order, to row `first` and after it. */
export function compactRows(
  block: RowBlock,
  columns: readonly BlockColumn[],
  first: number,
  kept: Uint32Array,
  count: number,
): void {
  for (const each of columns) {
    if (hasWords(each)) {
      const width = bytesPerRow(each) / WORD_BYTES;
      const words = wordsOf(wordColumn(block, each).data).subarray(width * first);
      // Each row is read before another one replaces it.
      gatherWords(words, kept, count, width, words);
    } else column(block.bags, each.name).compact(first, kept, count);
  }
}

/** Grows a block to at least `capacity` rows; its rows stay. */
export function reserveRows(block: RowBlock, columns: readonly BlockColumn[], capacity: number): void {
  for (const each of columns) {
    if (hasWords(each)) {
      const { data, width } = wordColumn(block, each);
      setWords(block, each, grown(data, width * capacity));
    } else column(block.bags, each.name).reserveRows(capacity);
  }
}

const WORD_BYTES = 4;

/** Returns the words of 32 bits of an array as signed integers, so that loops have a single type of array. */
export function wordsOf({ buffer, byteOffset, byteLength }: WordColumn['data']): Int32Array {
  return new Int32Array(buffer, byteOffset, byteLength / WORD_BYTES);
}

/** Counts the ids that are 0; a function of its own, since V8 deoptimizes code after a loop that it optimizes. */
export function countZeros(data: Uint32Array, end: number): number {
  let zeros = 0;
  for (let i = 0; i < end; i++) if (data[i] === 0) zeros++;
  return zeros;
}

function gatherWords(from: Int32Array, order: Uint32Array, count: number, width: number, to: Int32Array): void {
  const places = wordsOf(order);
  if (width === 1) {
    for (let i = 0; i < count; i++) to[i] = from[places[i]!]!;
    return;
  }
  for (let i = 0; i < count; i++) to.set(from.subarray(places[i]! * width, (places[i]! + 1) * width), i * width);
}
