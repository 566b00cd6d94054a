import { column, type Batch } from '../../core/batch.js';
import type { Layout } from '../compile/layout.js';
import { createColumnLoader } from '../state/columns.js';
import { domainRows, countItems, itemWords } from '../state/items.js';
import { interpolateRows } from '../../tables/interpolate-rows.js';
import { createItemLoader } from './items.js';
import type { CpuMemory } from './memory.js';

/**
 * Copies rows `begin` to `begin + rows` of a batch to where the calls read them.
 * @param first for the first part of a step: the total rows of its parts
 * @returns the number of items of each domain but the batch
 */
export type Loader = (batch: Batch, begin: number, rows: number, first?: number) => readonly number[];

/** Creates a loader for a plan; destinations are resolved once, so that a step only copies. */
export function createLoader(of: Layout, { memory, plan, mover, image: { words, wordAt } }: CpuMemory): Loader {
  const { tables, domains } = of;
  const loadColumns = createColumnLoader(of, words, wordAt);
  const numbered = tables.all
    .filter(({ isSharded }) => isSharded)
    .flatMap((table) =>
      table.lookups.flatMap(({ kind, field }) =>
        kind === 'pooled' ? [{ field, bag: wordAt(tables.bag(table, field)) }] : [],
      ),
    );
  const items = createItemLoader(memory, itemWords(tables.items, wordAt), numbered, plan.bytes);
  const keyCounts = tables.all.map(({ gathered: { count, most }, lookups }) => {
    const ofItems = lookups.filter(({ kind }) => kind !== 'id').map(({ field }) => field);
    return { at: wordAt(count) + 2, most, numIds: lookups.length - ofItems.length, ofItems };
  });
  const withBags = interpolateRows(of.plan.layout);
  let looked: { readonly of: Batch; readonly batch: Batch } | undefined;
  return (given, begin, rows, first = begin === 0 ? given.rows : undefined) => {
    // Parts of a batch are loaded in sequence.
    if (first !== undefined || looked?.of !== given) looked = { of: given, batch: mover.apply(withBags(given)) };
    const { batch } = looked;
    loadColumns(batch, begin, rows);
    items.load(batch, begin, rows);
    // One hash table contains the distinct rows of a step, for all its passes.
    for (const { at, most, numIds, ofItems } of first === undefined ? [] : keyCounts) {
      let keys = numIds * first!;
      for (const field of ofItems) keys += countItems(column(batch, field, 'list'), 0, batch.rows);
      words[at] = Math.min(most, keys);
    }
    return domains.slice(1).map((domain) => domainRows(domain, batch, begin, rows));
  };
}
