import { listReaders, type Graph } from './graph.js';
import type { GraphBuilder } from './builder.js';
import type { InputField } from './features.js';
import type { Pooling, Value, ValueOf } from './operations.js';

/** A field that a model looks up: with an id or a number per row, or a bag that is pooled. */
export type LookedUpField = InputField &
  (
    | { readonly kind: 'id' | 'number' | 'vector' }
    | { readonly kind: 'bag'; readonly table: string; readonly pooling: Pooling }
  );

/**
 * Adds the looked-up columns of fields, concatenated: one input for each run of fields without bags, and for each bag
 * the weighted sum of its items.
 * @param fields in column order, without gaps from column 0 on
 */
export function lookUp(g: GraphBuilder, fields: readonly LookedUpField[]): Value {
  const factors = new Map<string, Value>();
  const parts: Value[] = [];
  let run = { begin: 0, end: 0 };
  const endRun = (): void => {
    if (run.end > run.begin) parts.push(g.input({ kind: 'features', begin: run.begin }, run.end - run.begin));
  };
  for (const each of fields) {
    const { kind, field, offset, width } = each;
    const end = offset + width;
    if (kind !== 'bag') {
      run = { ...run, end };
      continue;
    }
    endRun();
    run = { begin: end, end };
    const { table, pooling } = each;
    const weights = factors.get(field) ?? g.input({ kind: 'factors', field, pooling }, 1);
    factors.set(field, weights);
    parts.push(g.segmentPool(g.input({ kind: 'items', field, table }, width), 'sum', weights));
  }
  endRun();
  return g.concat(parts);
}

/** Items that are pooled while they are looked up: a sum that is weighted by factors. */
export interface PooledItems {
  readonly field: string;
  readonly table: string;
  readonly pooling: Pooling;
  readonly items: Value;
  readonly factors: Value;
}

/** Values of a graph that a lookup in tables and in the columns of a batch gives. */
export interface Lookups {
  /** Inputs except labels, and pooled items, in the order of the graph. */
  readonly values: readonly (ValueOf<'input'> | ValueOf<'segmentPool'>)[];
  readonly pooled: ReadonlyMap<Value, PooledItems>;
  /** Items that are only pooled, and their factors: nothing computes them. */
  readonly unread: ReadonlySet<Value>;
}

/** Finds the lookups of a graph. A weighted sum of items is one if its items have no other reader. */
export function findLookups(graph: Pick<Graph, 'values' | 'predictions' | 'gates'>): Lookups {
  const readers = listReaders(graph);
  const pooled = new Map<Value, PooledItems>();
  for (const value of graph.values) {
    const found = value.op === 'segmentPool' ? pooledItems(value) : undefined;
    if (found !== undefined && readers.get(found.items)!.length === 1) pooled.set(value, found);
  }
  const unread = new Set<Value>();
  for (const { items, factors } of pooled.values()) {
    unread.add(items);
    if (readers.get(factors)!.every((reader) => reader !== undefined && pooled.has(reader))) unread.add(factors);
  }
  const values = graph.values.filter(
    (value): value is Lookups['values'][number] =>
      (value.op === 'input' && value.source.kind !== 'label' && !unread.has(value)) || pooled.has(value),
  );
  return { values, pooled, unread };
}

/** Returns whether a value's columns are looked up: an input, pooled items, or a concatenation of them. */
export function isLookedUp(value: Value): boolean {
  if (value.op === 'concat') return value.xs.every(isLookedUp);
  return value.op === 'input'
    ? value.source.kind !== 'label'
    : value.op === 'segmentPool' && pooledItems(value) !== undefined;
}

function pooledItems({ of, x: items, weights: factors }: ValueOf<'segmentPool'>): PooledItems | undefined {
  if (of !== 'sum' || items.op !== 'input' || factors?.op !== 'input') return undefined;
  const [source, { source: weighting }] = [items.source, factors];
  if (source.kind !== 'items' || weighting.kind !== 'factors') return undefined;
  return { field: source.field, table: source.table, pooling: weighting.pooling, items, factors };
}
