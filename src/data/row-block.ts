import type { SplitBag } from '../features/feature.js';
import type { EncodedField } from '../features/features.js';
import type { Batch } from '../batch.js';
import { createBagBuffer, gatherBags, type BagBuffer } from './bag-buffer.js';
import type { LabelColumn } from './row-format.js';
import type { ColumnReader } from './rows.js';

/** Memory for a number of rows, a typed array a column. */
export interface RowBlock extends Batch {
  rows: number;
  readonly bags: ReadonlyMap<string, BagBuffer>;
}

/** A block for these columns, with no row in it. */
export function createRowBlock(fields: readonly EncodedField[], labels: readonly LabelColumn[], capacity: number): RowBlock {
  const namesOf = (kind: EncodedField['kind']): string[] => fields.filter((field) => field.kind === kind).map(({ name }) => name);
  return {
    rows: 0,
    ids: new Map(namesOf('id').map((name) => [name, new Uint32Array(capacity)])),
    numbers: new Map(namesOf('number').map((name) => [name, new Float32Array(capacity)])),
    bags: new Map(namesOf('bag').map((name) => [name, createBagBuffer(capacity)])),
    labels: new Map(labels.map(({ name }) => [name, new Float32Array(capacity)])),
  };
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
