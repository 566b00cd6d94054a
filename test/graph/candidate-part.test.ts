import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.js';
import { findCandidatePart } from '../../src/graph/candidate-part.js';
import type { Value } from '../../src/graph/operations.js';

/** Columns 0 to 2 are the user's, 3 to 4 the item's, 5 the price of the item. */
const COLUMNS = [
  { field: 'user', offset: 0, width: 3 },
  { field: 'item', offset: 3, width: 2 },
  { field: 'price', offset: 5, width: 1 },
];
const ITEM = new Set(['item', 'price']);

/** Returns the columns of a value as text: u for the user's, c for those that depend on candidates. */
function columnsOf(build: (g: GraphBuilder, input: Value) => Value, candidateFields = ITEM): string {
  const g = new GraphBuilder();
  const value = build(g, g.input({ kind: 'features', begin: 0 }, 6));
  const graph = { values: g.values, parameters: g.parameters, predictions: new Map([['p', value]]), terms: [] };
  const { runsOf } = findCandidatePart(graph, COLUMNS, candidateFields);
  return runsOf(value)
    .map(({ width, isOfCandidates }) => (isOfCandidates ? 'c' : 'u').repeat(width))
    .join('');
}

describe('findCandidatePart', () => {
  it('follows columns that operations move or combine one by one', () => {
    expect(columnsOf((_, x) => x)).toBe('uuuccc');
    expect(columnsOf((g, x) => g.slice(x, 1, 3))).toBe('uuc');
    expect(columnsOf((g, x) => g.concat([g.slice(x, 3, 1), x]))).toBe('cuuuccc');
    expect(columnsOf((g, x) => g.add(g.slice(x, 0, 4), g.slice(x, 2, 4)))).toBe('uccc');
    expect(columnsOf((g, x) => g.activation(g.batchNorm(x, 'n'), 'relu', 'a'))).toBe('uuuccc');
  });

  it('lets other operations depend on candidates if an operand does', () => {
    expect(columnsOf((g, x) => g.linear(x, 2, 'l'))).toBe('cc');
    expect(columnsOf((g, x) => g.linear(g.slice(x, 0, 3), 2, 'l'))).toBe('uu');
    expect(columnsOf((g, x) => g.softmax(x))).toBe('cccccc');
    expect(columnsOf((g, x) => g.layerNorm(g.slice(x, 2, 2), 'n'))).toBe('cc');
  });

  it('handles graphs of the user or of candidates alone', () => {
    expect(columnsOf((g, x) => g.linear(x, 2, 'l'), new Set())).toBe('uu');
    expect(columnsOf((_, x) => x, new Set(['user', 'item', 'price']))).toBe('cccccc');
  });

  it('reads all fields of a sequence per candidate if one of them is, or if items are selected', () => {
    const fieldsOf = (given: ReadonlySet<string>, isSelected = false): readonly string[] => {
      const g = new GraphBuilder();
      const input = g.input({ kind: 'features', begin: 0 }, 6);
      const [clicked, shops] = ['clicked', 'shops'].map((field, i) =>
        g.input({ kind: 'items', field, table: field, ...(i === 1 && { alignedWith: 'clicked' }) }, 2),
      ) as [Value, Value];
      const query = g.slice(input, 3, 2);
      const items = g.add(clicked, shops);
      const positions = isSelected ? g.selectTop(g.itemProduct(items, query), 2) : undefined;
      const read = positions === undefined ? items : g.gatherItems(items, positions);
      const own = g.expand(query, positions?.rows ?? 'clicked');
      const pooled = g.segmentPool(g.multiply(own, read), 'sum');
      const graph = { values: g.values, parameters: [], predictions: new Map([['p', pooled]]), terms: [] };
      return [...findCandidatePart(graph, COLUMNS, given).fields];
    };
    expect(fieldsOf(ITEM)).toEqual(['item', 'price']);
    expect(fieldsOf(new Set([...ITEM, 'shops']))).toEqual(['item', 'price', 'shops', 'clicked']);
    expect(fieldsOf(ITEM, true)).toEqual(['item', 'price', 'clicked', 'shops']);
  });
});
