import { column, type ArrayColumn, type ArrayType, type Batch } from '../core/batch.js';
import { grown } from '../core/grown.js';
import { KEY_WORDS } from '../core/row-key.js';
import { BAG_ROW_BYTES, BagBuffer } from './bag-buffer.js';

/** Memory for encoded rows: columns of which the first `rows` rows are filled. */
export interface RowBlock extends Batch<ArrayColumn | BagBuffer> {
  rows: number;
  readonly columns: Map<string, ArrayColumn | BagBuffer>;
}

/** What a column of encoded rows holds, which determines its storage. */
export interface BlockColumn {
  readonly name: string;
  readonly kind: keyof typeof STORED_TYPES | 'bag';
  /** Elements per row of a vector. */
  readonly width?: number;
}

/** Types of the columns with a fixed number of elements per row. */
const STORED_TYPES = {
  id: 'u32',
  number: 'f32',
  label: 'f32',
  vector: 'f32',
  key: 'u32',
  double: 'f64',
} as const satisfies Record<string, ArrayType>;

const ARRAYS = { u32: Uint32Array, f32: Float32Array, f64: Float64Array } as const;

/** The elements of a column with a fixed number per row. */
export type Words = ArrayColumn['data'];

/** A column with a fixed number of elements per row. */
export interface WordBlockColumn extends BlockColumn {
  readonly kind: Exclude<BlockColumn['kind'], 'bag'>;
}

/** Returns whether a column has a fixed number of elements per row. */
export function hasWords(each: BlockColumn): each is WordBlockColumn {
  return each.kind !== 'bag';
}

/** Returns the type of the elements of a column. */
export function elementType({ kind }: WordBlockColumn): ArrayType {
  return STORED_TYPES[kind];
}

/** Returns the number of elements per row. */
export function elementsPerRow({ kind, width = 1 }: WordBlockColumn): number {
  return kind === 'key' ? KEY_WORDS : width;
}

/** Returns the number of bytes per row. */
export function bytesPerRow(each: WordBlockColumn): number {
  return elementsPerRow(each) * ARRAYS[elementType(each)].BYTES_PER_ELEMENT;
}

/** Returns the storage of the columns of a batch. */
export function batchStorage({ columns }: Batch): readonly BlockColumn[] {
  return Array.from(columns, ([name, each]): BlockColumn => {
    if (each.type === 'list') return { name, kind: 'bag' };
    if (each.type === 'f32') return { name, kind: 'vector', width: each.width };
    if (each.type === 'f64') return { name, kind: 'double' };
    return { name, kind: each.width === 1 ? 'id' : 'key' };
  });
}

/** Returns the elements of a column of a batch. */
export function wordColumn(batch: Pick<Batch, 'columns'>, each: WordBlockColumn): ArrayColumn {
  return column(batch, each.name, elementType(each));
}

/**
 * Creates a column on some memory.
 * @param at first byte
 * @param rows default: as many as the memory has
 */
export function columnOn(each: WordBlockColumn, memory: ArrayBufferLike, at = 0, rows?: number): ArrayColumn {
  const [type, width] = [elementType(each), elementsPerRow(each)];
  const Elements: new (memory: ArrayBufferLike, at?: number, length?: number) => Words = ARRAYS[type];
  const data = new Elements(memory, at, rows === undefined ? undefined : width * rows);
  return { type, width, data } as ArrayColumn;
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
  return { rows: 0, columns: new Map() };
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
    const memory = hasWords(each) ? columnOn(each, new Memory(bytesPerRow(each) * capacity)) : new BagBuffer(capacity);
    block.columns.set(each.name, memory);
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
    } else column(target, each.name, 'list').append(column(source, each.name, 'list'), begin, end, target.rows);
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
      const from = toWords(wordColumn(source, each).data);
      gatherWords(from, order, count, bytesPerRow(each) / WORD_BYTES, toWords(wordColumn(target, each).data));
    } else column(target, each.name, 'list').gather(column(source, each.name, 'list'), order, 0, count);
  }
}

/** Copies some rows of a batch, by index. */
export function selectRows(batch: Batch, rows: readonly number[]): RowBlock {
  const columns = batchStorage(batch);
  const block = createRowBlock(columns, rows.length);
  gatherRows(batch, columns, Uint32Array.from(rows), rows.length, block);
  return block;
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
      const words = toWords(wordColumn(block, each).data).subarray(width * first);
      // Each row is read before another one replaces it.
      gatherWords(words, kept, count, width, words);
    } else column(block, each.name, 'list').compact(first, kept, count);
  }
}

/** Grows a block to at least `capacity` rows; its rows stay. */
export function reserveRows(block: RowBlock, columns: readonly BlockColumn[], capacity: number): void {
  for (const each of columns) {
    if (hasWords(each)) {
      const words = wordColumn(block, each);
      const data = grown(words.data, words.width * capacity);
      block.columns.set(each.name, { ...words, data } as ArrayColumn);
    } else column(block, each.name, 'list').reserveRows(capacity);
  }
}

const WORD_BYTES = 4;

/** Returns the words of 32 bits of an array as signed integers, so that loops have a single type of array. */
export function toWords({ buffer, byteOffset, byteLength }: Words): Int32Array {
  return new Int32Array(buffer, byteOffset, byteLength / WORD_BYTES);
}

/** Counts the ids that are 0; a function of its own, since V8 deoptimizes code after a loop that it optimizes. */
export function countZeros(data: Uint32Array, end: number): number {
  let zeros = 0;
  for (let i = 0; i < end; i++) if (data[i] === 0) zeros++;
  return zeros;
}

function gatherWords(from: Int32Array, order: Uint32Array, count: number, width: number, to: Int32Array): void {
  const places = toWords(order);
  if (width === 1) {
    for (let i = 0; i < count; i++) to[i] = from[places[i]!]!;
    return;
  }
  for (let i = 0; i < count; i++) to.set(from.subarray(places[i]! * width, (places[i]! + 1) * width), i * width);
}
