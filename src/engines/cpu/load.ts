import { column, type Batch } from '../../core/batch.js';
import { bagsBetweenRows } from '../../tables/between-rows.js';
import { createBagLoader, itemsOf } from './bags.js';
import type { CpuMemory } from './memory.js';
import { createColumnLoader } from '../state/columns.js';
import type { Layout } from '../compile/layout.js';

/**
 * Copies rows `begin` to `begin + rows` of a batch to where the calls read them.
 * @param first for the first part of a step: the total rows of its parts
 * @returns the number of items of each sequence
 */
export type Loader = (batch: Batch, begin: number, rows: number, first?: number) => readonly number[];

/** Creates a loader for a plan; destinations are resolved once, so that a step only copies. */
export function createLoader(of: Layout, { memory, plan, image: { words, wordAt } }: CpuMemory): Loader {
  const { layout, tables } = of;
  const loadColumns = createColumnLoader(of, words, wordAt);
  const numbered = tables.all
    .filter(({ isDealt }) => isDealt)
    .flatMap((table) =>
      table.fields
        .filter(({ kind }) => kind === 'bag')
        .map(({ field }) => ({ field, addresses: wordAt(tables.bag(table, field).addresses) })),
    );
  const places = [...tables.bags.values()].map(({ field, offsets, addresses }) => ({
    field,
    offsets: wordAt(offsets),
    addresses: wordAt(addresses),
  }));
  const bags = createBagLoader(memory, places, numbered, plan.bytes);
  const keyCounts = tables.all.map(({ gathered: { count, most }, fields, sequences: own }) => {
    const bagFields = [...fields.filter(({ kind }) => kind === 'bag'), ...own].map(({ field }) => field);
    return { at: wordAt(count) + 2, most, numIds: fields.filter(({ kind }) => kind === 'id').length, bagFields };
  });
  const sequences = tables.sequences.map(({ field, table, ids, offsets, maxItems }) => ({
    field,
    maxItems,
    ids: wordAt(ids),
    offsets: wordAt(offsets),
    isSharded: tables.byName.get(table)!.isDealt,
  }));
  /** Copies the items of a sequence, and returns their number. Items of a sharded table have numbers of their own. */
  const loadItems = (batch: Batch, begin: number, rows: number, of: (typeof sequences)[number]): number => {
    const bag = column(batch.bags, of.field);
    const first = bag.offsets[begin]!;
    for (let b = 0; b <= rows; b++) words[of.offsets + b] = bag.offsets[begin + b]! - first;
    const count = itemsOf(bag, begin, rows);
    if (count > rows * of.maxItems) throw new Error(`'${of.field}' has rows with more than ${of.maxItems} items`);
    if (!of.isSharded) words.set(bag.ids.subarray(first, first + count), of.ids);
    return count;
  };
  const withBags = bagsBetweenRows(layout);
  let looked: { readonly of: Batch; readonly batch: Batch } | undefined;
  return (given, begin, rows, first = begin === 0 ? given.rows : undefined) => {
    // Parts of a batch are loaded in sequence.
    if (first !== undefined || looked?.of !== given) looked = { of: given, batch: withBags(given) };
    const { batch } = looked;
    loadColumns(batch, begin, rows);
    bags.load(batch, begin, rows);
    // One hash table contains the distinct rows of a step, for all its passes.
    for (const { at, most, numIds, bagFields } of first === undefined ? [] : keyCounts) {
      let keys = numIds * first!;
      for (const field of bagFields) keys += itemsOf(column(batch.bags, field), 0, batch.rows);
      words[at] = Math.min(most, keys);
    }
    return sequences.map((sequence) => loadItems(batch, begin, rows, sequence));
  };
}
