import type { SplitBag } from '../features/feature.js';
import type { EncodedField } from '../features/features.js';
import { column, type Batch } from '../batch.js';
import { appendBags, createBagBuffer, gatherBags, type BagBuffer } from './bag-buffer.js';
import type { LabelColumn, RowFormat } from './row-format.js';
import type { ColumnReader } from './rows.js';

/** Memory for a number of rows, a typed array a column. */
export interface RowBlock extends Batch {
  rows: number;
  readonly bags: ReadonlyMap<string, BagBuffer>;
}

/** A column of a block: ids, bags of ids and numbers are features, a label is what is predicted from them. */
export interface BlockColumn {
  readonly name: string;
  readonly kind: 'id' | 'number' | 'bag' | 'label';
}

/** The columns that a format fills. */
export function blockColumns({ fields, labels }: RowFormat): readonly BlockColumn[] {
  return [...labels.map(({ name }): BlockColumn => ({ name, kind: 'label' })), ...fields.map(({ name, kind }) => ({ name, kind }))];
}

/** A block for these columns, with no row in it. */
export function createRowBlock(columns: readonly BlockColumn[], capacity: number): RowBlock {
  const namesOf = (kind: BlockColumn['kind']): string[] => columns.filter((column) => column.kind === kind).map(({ name }) => name);
  return {
    rows: 0,
    ids: new Map(namesOf('id').map((name) => [name, new Uint32Array(capacity)])),
    numbers: new Map(namesOf('number').map((name) => [name, new Float32Array(capacity)])),
    bags: new Map(namesOf('bag').map((name) => [name, createBagBuffer(capacity)])),
    labels: new Map(namesOf('label').map((name) => [name, new Float32Array(capacity)])),
  };
}

/** Appends rows `begin` to `end` of a batch, which has all columns of `target`. */
export function appendRows(source: Batch, begin: number, end: number, target: RowBlock): void {
  const copy = <Data extends Uint32Array | Float32Array>(from: ReadonlyMap<string, Data>, to: ReadonlyMap<string, Data>): void => {
    for (const [name, data] of to) data.set(column(from, name).subarray(begin, end), target.rows);
  };
  copy(source.ids, target.ids);
  copy(source.numbers, target.numbers);
  copy(source.labels, target.labels);
  for (const [name, bag] of target.bags) appendBags(column(source.bags, name), begin, end, bag, target.rows);
  target.rows += end - begin;
}

/** Readers that encode the cells of a row to the end of the block; the row is in it once `block.rows` is raised. */
export function blockReaders(block: RowBlock, fields: readonly EncodedField[], labels: readonly LabelColumn[]): readonly ColumnReader[] {
  const reader = (columns: readonly string[], data: Uint32Array | Float32Array, parse: (text: string) => number): ColumnReader => ({
    columns,
    read: (text) => {
      data[block.rows] = parse(text);
    },
  });
  const bagReader = (columns: readonly string[], bag: BagBuffer, split: SplitBag, encode: (text: string) => number): ColumnReader => {
    const add = (key: string, weight: number): void => bag.add(encode(key), weight);
    return {
      columns,
      read: (text) => {
        bag.open(block.rows);
        split(text, add);
        bag.close(block.rows);
      },
    };
  };
  return [
    ...labels.map(({ name, parse }) => reader([name], block.labels.get(name)!, parse)),
    ...fields.map((field) => {
      const { name, columns, encode } = field;
      if (field.kind === 'bag') return bagReader(columns, block.bags.get(name)!, field.split, encode);
      return reader(columns, (field.kind === 'id' ? block.ids : block.numbers).get(name)!, encode);
    }),
  ];
}

/** Copies the rows that `order` lists, from `begin` to `end`, to the start of `target`. */
export function gather(source: RowBlock, order: Uint32Array, begin: number, end: number, target: RowBlock): void {
  target.rows = end - begin;
  const copy = <Data extends Uint32Array | Float32Array>(from: ReadonlyMap<string, Data>, to: ReadonlyMap<string, Data>): void => {
    for (const [name, data] of to) {
      const all = from.get(name)!;
      for (let i = begin; i < end; i++) data[i - begin] = all[order[i]!]!;
    }
  };
  copy(source.ids, target.ids);
  copy(source.numbers, target.numbers);
  copy(source.labels, target.labels);
  for (const [name, bag] of target.bags) gatherBags(source.bags.get(name)!, order, begin, end, bag);
}
