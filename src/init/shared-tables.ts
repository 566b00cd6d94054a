import type { InspectedColumn } from './column-kind.js';
import { collectItems } from './list-items.js';

/** Minimum share of a list's items that another column must have to share its table. */
const MIN_SHARED_ITEMS = 0.5;
/** Minimum share of that column's values that must be items, if they are integers: unrelated integers overlap, too. */
const MIN_SHARED_INTEGERS = 0.5;

/** A column with an embedding table. */
interface Owner {
  readonly name: string;
  readonly values: ReadonlySet<string>;
}

/**
 * Finds the column whose embedding table each list shares: an id or an earlier list with mostly the same values, such
 * as the category of an item for the categories that a user saw. Equal ids then have equal embeddings.
 */
export function findSharedTables(columns: readonly InspectedColumn[]): ReadonlyMap<string, string> {
  const owners = columns
    .filter(({ kind }) => kind.is === 'id')
    .map(({ column }): Owner => ({ name: column.name, values: new Set(column.values.map((text) => text.trim())) }));
  const shared = new Map<string, string>();
  for (const list of columns.filter(({ kind }) => kind.is === 'list')) {
    const { name, values } = list.column;
    const items = list.kind.is === 'list' ? collectItems(values, list.kind) : new Set<string>();
    const best = owners
      .map((owner) => ({ owner: owner.name, overlap: computeOverlap(items, owner.values) }))
      .sort((a, b) => b.overlap - a.overlap)[0];
    if (best !== undefined && best.overlap > 0) shared.set(name, best.owner);
    else owners.push({ name, values: items });
  }
  return shared;
}

/** Returns the share of common values among all values; 0 if too few are common. */
function computeOverlap(items: ReadonlySet<string>, values: ReadonlySet<string>): number {
  const common = [...items].filter((item) => values.has(item));
  const areIntegers = common.every((item) => /^\d+$/.test(item));
  if (common.length === 0 || common.length < MIN_SHARED_ITEMS * items.size) return 0;
  if (areIntegers && common.length < MIN_SHARED_INTEGERS * values.size) return 0;
  return common.length / (items.size + values.size - common.length);
}
