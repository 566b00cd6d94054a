import type { EncodedField } from '../features/features.js';
import type { Batch } from '../batch.js';
import type { LabelColumn } from './row-format.js';
import type { ColumnReader } from './rows.js';

/** Memory for a number of rows, a typed array a column. */
export interface RowBlock extends Batch {
  rows: number;
}

/** A block for these columns, with no row in it. */
export function createRowBlock(fields: readonly EncodedField[], labels: readonly LabelColumn[], capacity: number): RowBlock {
  return {
    rows: 0,
    ids: new Map(fields.filter(({ kind }) => kind === 'id').map(({ name }) => [name, new Uint32Array(capacity)])),
    numbers: new Map(fields.filter(({ kind }) => kind === 'number').map(({ name }) => [name, new Float32Array(capacity)])),
    labels: new Map(labels.map(({ name }) => [name, new Float32Array(capacity)])),
  };
}

/** Readers that encode the cells of a row to the end of the block; the row is in it once `block.rows` is raised. */
export function blockReaders(block: RowBlock, fields: readonly EncodedField[], labels: readonly LabelColumn[]): readonly ColumnReader[] {
  const reader = (name: string, data: Uint32Array | Float32Array, parse: (text: string) => number): ColumnReader => ({
    name,
    read: (text) => {
      data[block.rows] = parse(text);
    },
  });
  return [
    ...labels.map(({ name, parse }) => reader(name, block.labels.get(name)!, parse)),
    ...fields.map(({ name, kind, encode }) => reader(name, (kind === 'id' ? block.ids : block.numbers).get(name)!, encode)),
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
}
