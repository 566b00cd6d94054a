import { column, type Batch, type VectorColumn } from '../../batch.js';
import { bagsBetweenRows } from '../../tables/between-rows.js';
import { WORD } from './arena.js';
import { createBagLoader, itemsOf } from './bags.js';
import type { Laid } from './lay-out.js';

/**
 * Copies rows `begin` to `begin + rows` of a batch to where the calls read them.
 * @param first of the first of a step's parts: how many rows they have together
 */
export type Loader = (batch: Batch, begin: number, rows: number, first?: number) => void;

const NO_VECTORS: ReadonlyMap<string, VectorColumn> = new Map();

/** A loader for a plan; where things go is found once, so that a step only copies. */
export function createLoader({ graph, layout, arena, places, tables }: Laid, memory: WebAssembly.Memory): Loader {
  const floats = new Float32Array(memory.buffer);
  const words = new Uint32Array(memory.buffer);
  // A field may be looked up in several tables.
  const fieldsOf = (kind: 'id' | 'number'): { field: string; at: number }[] =>
    [...new Set(layout.columns.flatMap((columns) => (columns.kind === kind ? [columns.field] : [])))].map((field) => ({ field, at: tables.column(kind, field) / WORD }));
  const [idFields, numberFields] = [fieldsOf('id'), fieldsOf('number')];
  const vectorFields = layout.columns.flatMap(({ kind, field, width }) => (kind === 'vector' ? [{ field, width, at: tables.column('number', field, width) / WORD }] : []));
  const labels = graph.values.flatMap((value) => (value.op === 'input' && value.source.kind === 'label' ? [{ name: value.source.column, at: places.of(value).at / WORD }] : []));
  const bags = createBagLoader(memory, tables.bags, arena.bytes);
  const keyCounts = tables.all.map(({ gathered: { count, most }, fields }) => {
    const bagFields = fields.filter(({ kind }) => kind === 'bag').map(({ field }) => field);
    return { at: count / WORD + 2, most, numIds: fields.length - bagFields.length, bagFields };
  });
  const withBags = bagsBetweenRows(layout);
  let looked: { readonly of: Batch; readonly batch: Batch } | undefined;
  return (given, begin, rows, first = begin === 0 ? given.rows : undefined) => {
    // Parts of a batch are loaded one after the other.
    if (first !== undefined || looked?.of !== given) looked = { of: given, batch: withBags(given) };
    const { batch } = looked;
    if (rows > places.maxRows) throw new Error(`a batch of ${rows} rows, where ${places.maxRows} were planned`);
    for (const { field, at } of idFields) words.set(column(batch.ids, field).subarray(begin, begin + rows), at);
    for (const { field, at } of numberFields) floats.set(column(batch.numbers, field).subarray(begin, begin + rows), at);
    for (const { field, width, at } of vectorFields) floats.set(column(batch.vectors ?? NO_VECTORS, field).data.subarray(begin * width, (begin + rows) * width), at);
    for (const { name, at } of labels) {
      const values = batch.labels.get(name);
      if (values !== undefined) floats.set(values.subarray(begin, begin + rows), at);
    }
    bags.load(batch, begin, rows);
    // The distinct rows of a step are found in one hash table, however many passes it has.
    for (const { at, most, numIds, bagFields } of first === undefined ? [] : keyCounts) {
      let keys = numIds * first!;
      for (const field of bagFields) keys += itemsOf(column(batch.bags, field), 0, batch.rows);
      words[at] = Math.min(most, keys);
    }
  };
}
