import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.js';
import { combineLinears } from '../../src/graph/combine-linears.js';
import { domainName } from '../../src/graph/domain.js';
import { findCanceledBiases, listOperands, type Graph } from '../../src/graph/graph.js';
import type { Value, WeightRows } from '../../src/graph/operations.js';

/** A graph with a loss on the sum of a value of items. */
function graphOf(build: (g: GraphBuilder, q: Value, k: Value, other: Value) => Value): Graph {
  const g = new GraphBuilder();
  const row = g.input({ kind: 'features', begin: 0 }, 3);
  const k = g.input({ kind: 'items', field: 'clicked', table: 'item' }, 3);
  const other = g.input({ kind: 'items', field: 'shops', table: 'shop', alignedWith: 'clicked' }, 3);
  const pooled = g.segmentPool(build(g, g.expand(row, 'clicked'), k, other), 'sum');
  const out = g.linear(pooled, 1, 'out');
  const y = g.input({ kind: 'label', column: 'y' }, 1);
  const terms = [{ name: 'y', weight: 1, loss: g.squaredError(out, y) }];
  return { values: g.values, parameters: g.parameters, predictions: new Map([['p', out]]), terms };
}

const subtract = (g: GraphBuilder, a: Value, b: Value): Value => g.add(a, g.affine(b, -1, 0));

/** Prints parts of a matrix: how many rows, and the rows of the weight that are added, with their factors. */
const printRows = (parts: readonly WeightRows[]): string =>
  parts.map(({ count, terms }) => `${count} of ${terms.map((t) => `${t.factor}*${t.begin}`).join(' + ')}`).join(', ');

/** Prints the values of a graph, one per line: operation, width, rows, operands, and rows of weights. */
function print({ values }: Graph): string {
  const name = (value: Value): string => `${value.op}${value.id}`;
  const rowsOf = (value: Value): string =>
    value.op === 'combinedLinear' || value.op === 'scaledLinear'
      ? ` M: ${printRows(value.matrix)}${value.op === 'scaledLinear' ? `; S: ${printRows(value.scaledMatrix)}` : ''}`
      : '';
  return values
    .map((value) => {
      const operands = listOperands(value).map(name).join(', ');
      return `${name(value)} ${value.width} ${domainName(value.rows)} (${operands})${rowsOf(value)}`;
    })
    .join('\n');
}

const paper = graphOf((g, q, k) => g.linear(g.concat([q, k, subtract(g, q, k), g.multiply(q, k)]), 4, 'layer'));

describe('a layer over expanded rows and items', () => {
  it('reads the rows once, and the items without their difference to the row', () => {
    expect(print(combineLinears(paper, { folds: false }))).toMatchInlineSnapshot(`
      "input0 3 batch ()
      input1 3 items(clicked) ()
      input2 3 items(clicked) ()
      expand3 3 items(clicked) (input0)
      multiply6 3 items(clicked) (expand3, input1)
      combinedLinear13 4 batch (input0) M: 3 of 1*0 + 1*6
      concat14 6 items(clicked) (input1, multiply6)
      combinedLinear15 4 items(clicked) (concat14, combinedLinear13) M: 3 of 1*3 + -1*6, 3 of 1*9
      segmentPool9 4 batch (combinedLinear15)
      linear10 1 batch (segmentPool9)
      input11 1 batch ()
      squaredError12 1 batch (linear10, input11)"
    `);
  });

  it('has a matrix for each row instead of their product', () => {
    expect(print(combineLinears(paper, { folds: true }))).toMatchInlineSnapshot(`
      "input0 3 batch ()
      input1 3 items(clicked) ()
      input2 3 items(clicked) ()
      combinedLinear13 4 batch (input0) M: 3 of 1*0 + 1*6
      scaledLinear14 4 items(clicked) (input1, combinedLinear13, input0) M: 3 of 1*3 + -1*6; S: 3 of 1*9
      segmentPool9 4 batch (scaledLinear14)
      linear10 1 batch (segmentPool9)
      input11 1 batch ()
      squaredError12 1 batch (linear10, input11)"
    `);
  });

  it('keeps parameters, names of predictions and terms, and values that it does not change', () => {
    const found = combineLinears(paper, { folds: true });
    expect(found.parameters).toBe(paper.parameters);
    expect([...found.predictions.keys()]).toEqual(['p']);
    expect(found.terms.map(({ name, weight }) => [name, weight])).toEqual([['y', 1]]);
    expect(found.values.slice(0, 2)).toEqual(paper.values.slice(0, 2));
    expect(found.values[0]).toBe(paper.values[0]);
    expect(new Set(found.values.map(({ id }) => id)).size).toBe(found.values.length);
  });

  it('splits sums of rows and items only if it reads no more columns of items', () => {
    const two = graphOf((g, q, k, other) => g.linear(g.concat([g.add(q, k), other]), 4, 'layer'));
    expect(print(combineLinears(two, { folds: true }))).toContain('M: 3 of 1*0, ');
    const sums = graphOf((g, q, k, other) => g.linear(g.concat([q, g.add(k, other)]), 4, 'layer'));
    expect(print(combineLinears(sums, { folds: true }))).toMatch(/combinedLinear\d+ 4 items\(clicked\) \(add\d+, /);
    const more = graphOf((g, q, k, other) => g.linear(g.concat([g.add(q, g.add(k, other)), k]), 4, 'layer'));
    expect(print(combineLinears(more, { folds: true }))).toContain('3 of 1*0 + 1*3');
  });

  it('is the expansion of a layer over rows if it reads no items', () => {
    const rows = graphOf((g, q) => g.linear(g.concat([q, g.affine(q, 2, 0)]), 4, 'layer'));
    expect(print(combineLinears(rows, { folds: true }))).toMatch(/expand\d+ 4 items\(clicked\) \(combinedLinear\d+\)/);
  });

  it('has one product with a matrix for each row if two products have the same items', () => {
    const twice = graphOf((g, q, k) => {
      const other = g.expand(g.input({ kind: 'features', begin: 3 }, 3), 'clicked');
      return g.linear(g.concat([g.multiply(q, k), g.multiply(k, other)]), 4, 'layer');
    });
    const text = print(combineLinears(twice, { folds: true }));
    expect(text).toContain('M: 3 of , 3 of 1*3; S: 3 of 1*0');
  });

  it('has a matrix for each row if it reads a product alone', () => {
    const product = graphOf((g, q, k) => g.linear(g.multiply(q, k), 4, 'layer'));
    expect(print(combineLinears(product, { folds: true }))).toContain('M: 3 of ; S: 3 of 1*0');
    expect(combineLinears(product, { folds: false })).toBe(product);
  });

  it.each<[string, Parameters<typeof graphOf>[0]]>([
    ['items alone', (g, _, k, other) => g.linear(g.concat([k, other, g.multiply(k, other)]), 4, 'layer')],
    ['an offset of rows', (g, q, k) => g.linear(g.concat([g.affine(q, 1, 1), k]), 4, 'layer')],
    ['a function of rows', (g, q, k) => g.linear(g.concat([g.map(q, 'exp'), k]), 4, 'layer')],
    ['a product of items', (g, _, k, other) => g.linear(g.multiply(k, other), 4, 'layer')],
  ])('remains if it reads %s', (_, build) => {
    const graph = graphOf(build);
    expect(combineLinears(graph, { folds: true })).toBe(graph);
  });

  it('has no bias that batch norm cancels, as before', () => {
    const normed = graphOf((g, q, k) => g.batchNorm(g.linear(g.concat([q, k]), 4, 'layer'), 'norm'));
    const names = (graph: Graph): string[] => [...findCanceledBiases(graph)].map(({ name }) => name);
    expect(names(normed)).toEqual(['layer.bias']);
    expect(names(combineLinears(normed, { folds: true }))).toEqual(['layer.bias']);
    expect(names(combineLinears(paper, { folds: true }))).toEqual([]);
  });
});
