import type { BagItems } from '../../features/feature.js';
import type { EncodedField } from '../../features/feature-types.js';
import { column, type Batch, type VectorColumn } from '../../core/batch.js';
import { KEY_WORDS, keyColumn } from '../../core/row-key.js';
import { appendBags, BAG_ROW_BYTES, createBagBuffer, gatherBags, type BagBuffer } from './bag-buffer.js';
import type { LabelColumn } from './label-columns.js';
import type { RowFormat } from './row-format.js';
import type { ColumnReader } from './column-reader.js';

/** Memory for a number of rows, a typed array a column. */
export interface RowBlock extends Batch {
  rows: number;
  readonly bags: ReadonlyMap<string, BagBuffer>;
  readonly vectors: ReadonlyMap<string, VectorColumn>;
  readonly keys: ReadonlyMap<string, Uint32Array>;
}

/**
 * A column of a block: ids, bags of ids, numbers and vectors of them are features, a label is what is predicted from
 * them, a key what rows are grouped by.
 */
export interface BlockColumn {
  readonly name: string;
  readonly kind: 'id' | 'number' | 'bag' | 'label' | 'vector' | 'key';
  /** Numbers a row of a vector. */
  readonly width?: number;
}

/** The columns that a format fills. */
export function blockColumns({ fields, labels, masks, keys }: RowFormat): readonly BlockColumn[] {
  return [
    ...[...labels.map(({ name }) => name), ...masks].map((name): BlockColumn => ({ name, kind: 'label' })),
    ...fields.map(({ name, kind, width }) => (kind === 'vector' ? { name, kind, width } : { name, kind })),
    ...keys.map((column): BlockColumn => ({ name: keyColumn(column), kind: 'key' })),
  ];
}

const NO_VECTORS: ReadonlyMap<string, VectorColumn> = new Map();
const NO_KEYS: ReadonlyMap<string, Uint32Array> = new Map();

/** Bytes that a block takes at the most, before its bags grow. */
const MAX_BLOCK_BYTES = 1 << 25;

/** Rows of a block for these columns: `largest`, or as many as its bytes allow where the rows are wide. */
export function blockRows(columns: readonly BlockColumn[], largest: number): number {
  const rowBytes = columns.reduce(
    (sum, { kind, width = 1 }) => sum + (kind === 'bag' ? BAG_ROW_BYTES : 4 * (kind === 'key' ? KEY_WORDS : width)),
    0,
  );
  return Math.max(1, Math.min(largest, Math.floor(MAX_BLOCK_BYTES / rowBytes)));
}

/**
 * A block for these columns, with no row in it.
 * @param Memory what its arrays lie in, but for bags: shared memory is every thread's
 */
export function createRowBlock(
  columns: readonly BlockColumn[],
  capacity: number,
  Memory: typeof ArrayBuffer | typeof SharedArrayBuffer = ArrayBuffer,
): RowBlock {
  const words = (length: number): Uint32Array => new Uint32Array(new Memory(4 * length));
  const floats = (length: number): Float32Array => new Float32Array(new Memory(4 * length));
  const namesOf = (kind: BlockColumn['kind']): string[] =>
    columns.filter((column) => column.kind === kind).map(({ name }) => name);
  return {
    rows: 0,
    ids: new Map(namesOf('id').map((name) => [name, words(capacity)])),
    numbers: new Map(namesOf('number').map((name) => [name, floats(capacity)])),
    bags: new Map(namesOf('bag').map((name) => [name, createBagBuffer(capacity)])),
    labels: new Map(namesOf('label').map((name) => [name, floats(capacity)])),
    vectors: new Map(
      columns.flatMap(({ name, kind, width = 1 }) =>
        kind === 'vector' ? [[name, { width, data: floats(capacity * width) }]] : [],
      ),
    ),
    keys: new Map(namesOf('key').map((name) => [name, words(KEY_WORDS * capacity)])),
  };
}

/** Appends rows `begin` to `end` of a batch, which has all columns of `target`. */
export function appendRows(source: Batch, begin: number, end: number, target: RowBlock): void {
  const copy = <Data extends Uint32Array | Float32Array>(
    from: ReadonlyMap<string, Data>,
    to: ReadonlyMap<string, Data>,
  ): void => {
    for (const [name, data] of to) data.set(column(from, name).subarray(begin, end), target.rows);
  };
  copy(source.ids, target.ids);
  copy(source.numbers, target.numbers);
  copy(source.labels, target.labels);
  for (const [name, { width, data }] of target.vectors)
    data.set(column(source.vectors ?? NO_VECTORS, name).data.subarray(begin * width, end * width), target.rows * width);
  for (const [name, data] of target.keys)
    data.set(
      column(source.keys ?? NO_KEYS, name).subarray(KEY_WORDS * begin, KEY_WORDS * end),
      KEY_WORDS * target.rows,
    );
  for (const [name, bag] of target.bags) appendBags(column(source.bags, name), begin, end, bag, target.rows);
  target.rows += end - begin;
}

/** Readers that encode the cells of a row to the end of the block; the row is in it once `block.rows` is raised. */
export function blockReaders(
  block: RowBlock,
  fields: readonly EncodedField[],
  labels: readonly LabelColumn[],
): readonly ColumnReader[] {
  return [...labels.map((label) => labelReader(block, label)), ...fields.map((field) => fieldReader(block, field))];
}

/** The reader of a label. */
export function labelReader(
  block: RowBlock,
  { name, type, columns, numberColumns, isText, parse }: LabelColumn,
): ColumnReader {
  const into = block.labels.get(name)!;
  const read = (text: string): void => {
    into[block.rows] = parse(text);
  };
  // What is made of a cell is not the cell.
  if (columns.length > 1 || columns[0] !== name) return { columns, numberColumns, read };
  return {
    columns,
    read,
    ...(isText === true
      ? { numberColumns: columns }
      : { direct: type === 'class' ? { cell: 'class', into } : { cell: 'number', encode: undefined, into } }),
  };
}

/** The reader of a field. */
export function fieldReader(block: RowBlock, field: EncodedField): ColumnReader {
  const { name, columns, encode, direct, readsNumbers } = field;
  if (field.kind === 'bag') {
    const bag = block.bags.get(name)!;
    const add = (key: string, weight: number): void => bag.add(encode(key), weight);
    const readItems = (items: BagItems): void => {
      bag.open(block.rows);
      field.keep(items, add);
      bag.close(block.rows);
    };
    return { columns, read: (text) => readItems(field.split(text)), readItems };
  }
  if (field.kind === 'vector') {
    const { width, data } = block.vectors.get(name)!;
    const readNumbers = (values: ArrayLike<number>): void => field.vector!(values, data, block.rows * width);
    return {
      columns,
      read: (text) => readNumbers(field.split(text)),
      readItems: (items) => readNumbers(field.ofItems(items)),
      readNumbers,
    };
  }
  const into = field.kind === 'id' ? block.ids.get(name)! : block.numbers.get(name)!;
  const read = (text: string): void => {
    into[block.rows] = encode(text);
  };
  if (direct?.cell === 'number') return { columns, read, direct: { ...direct, into } };
  return direct !== undefined && into instanceof Uint32Array
    ? { columns, read, direct: { ...direct, into } }
    : { columns, read, ...(readsNumbers === true && { numberColumns: columns }) };
}

/**
 * Copies the rows that the first `count` numbers of `order` name to `target`, in that order. A column at a time, since
 * a column fits in a
 * cache and all of them do not.
 */
export function gatherRows(source: Batch, order: Uint32Array, count: number, target: RowBlock): void {
  target.rows = count;
  const places = wordsOf(order).subarray(0, count);
  const copy = (
    from: ReadonlyMap<string, Uint32Array | Float32Array>,
    to: ReadonlyMap<string, Uint32Array | Float32Array>,
  ): void => {
    for (const [name, data] of to) gatherWords(wordsOf(column(from, name)), places, wordsOf(data));
  };
  copy(source.ids, target.ids);
  copy(source.numbers, target.numbers);
  copy(source.labels, target.labels);
  for (const [name, { width, data }] of target.vectors) {
    const from = column(source.vectors ?? NO_VECTORS, name).data;
    for (let r = 0; r < count; r++) data.set(from.subarray(places[r]! * width, (places[r]! + 1) * width), r * width);
  }
  for (const [name, data] of target.keys) {
    const from = column(source.keys ?? NO_KEYS, name);
    for (let r = 0; r < count; r++)
      for (let word = 0; word < KEY_WORDS; word++) data[KEY_WORDS * r + word] = from[KEY_WORDS * places[r]! + word]!;
  }
  for (const [name, bag] of target.bags) gatherBags(column(source.bags, name), order, 0, count, bag);
}

/**
 * An array's words as what the machine moves fastest: one kind of array, and no number that needs more than a register.
 */
export function wordsOf(data: Uint32Array | Float32Array): Int32Array {
  return new Int32Array(data.buffer, data.byteOffset, data.length);
}

function gatherWords(from: Int32Array, places: Int32Array, to: Int32Array): void {
  for (let i = 0; i < places.length; i++) to[i] = from[places[i]!]!;
}
