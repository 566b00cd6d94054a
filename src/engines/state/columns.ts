import { column, type Batch } from '../../core/batch.js';
import { BATCH } from '../../graph/domain.js';
import type { Ref } from '../compile/buffers.js';
import { takeRowOffsets } from '../compile/items.js';
import type { Layout } from '../compile/layout.js';

/**
 * Copies ids, numbers, vectors and labels of rows `begin` to `begin + rows` of a batch to a plan's buffers.
 * @throws Error for more rows than planned
 */
export type ColumnLoader = (batch: Batch, begin: number, rows: number) => void;

/**
 * Creates a loader of columns; destinations are resolved once, so that a step only copies.
 * @param words destination
 * @param wordAt returns the index of a position among these words
 */
export function createColumnLoader(
  {
    graph,
    places,
    tables,
    maxRowsOf,
    domains,
    buffers,
  }: Pick<Layout, 'graph' | 'places' | 'tables' | 'maxRowsOf' | 'domains' | 'buffers'>,
  words: Uint32Array,
  wordAt: (ref: Ref) => number,
): ColumnLoader {
  const floats = new Float32Array(words.buffer);
  // A field may be looked up in several tables. Sharded tables are looked up by their own row indices.
  const placed = (kind: 'id' | 'number', fields: readonly string[]): { field: string; at: number }[] =>
    [...new Set(fields)].map((field) => ({ field, at: wordAt(tables.column(kind, field)) }));
  const { lookups } = tables;
  const idFields = placed(
    'id',
    lookups.flatMap((lookup) =>
      lookup.kind === 'id' && !tables.byName.get(lookup.table)!.isSharded ? [lookup.field] : [],
    ),
  );
  const numberFields = placed(
    'number',
    lookups.flatMap(({ kind, field }) => (kind === 'number' ? [field] : [])),
  );
  const vectorFields = lookups.flatMap((lookup) =>
    lookup.kind === 'vector' ? [{ ...lookup, at: wordAt(tables.column('number', lookup.field, lookup.width)) }] : [],
  );
  const labels = graph.values.flatMap((value) =>
    value.op === 'input' && value.source.kind === 'label'
      ? [{ name: value.source.column, at: wordAt(places.of(value).value) }]
      : [],
  );
  const maxRows = maxRowsOf(BATCH);
  // Where the blocks of each row begin is the same for all batches.
  for (const domain of domains) {
    if (domain.kind !== 'blocks') continue;
    const at = wordAt(takeRowOffsets(buffers, domain, maxRows));
    for (let b = 0; b <= maxRows; b++) words[at + b] = b * domain.count;
  }
  return (batch, begin, rows) => {
    if (rows > maxRows) throw new Error(`a batch has ${rows} rows; at most ${maxRows} were planned`);
    for (const { field, at } of idFields) words.set(part(column(batch, field, 'u32').data, begin, begin + rows), at);
    for (const { field, at } of numberFields)
      floats.set(part(column(batch, field, 'f32').data, begin, begin + rows), at);
    for (const { field, width, at } of vectorFields)
      floats.set(column(batch, field, 'f32').data.subarray(begin * width, (begin + rows) * width), at);
    for (const { name, at } of labels) {
      const values = batch.columns.get(name);
      if (values?.type === 'f32') floats.set(part(values.data, begin, begin + rows), at);
    }
  };
}

/**
 * Returns a range of a column, or the column itself if that is all: creating a view takes longer than copying a batch.
 */
function part(values: Uint32Array, begin: number, end: number): Uint32Array;
function part(values: Float32Array, begin: number, end: number): Float32Array;
function part(values: Uint32Array | Float32Array, begin: number, end: number): Uint32Array | Float32Array {
  return begin === 0 && end === values.length ? values : values.subarray(begin, end);
}
