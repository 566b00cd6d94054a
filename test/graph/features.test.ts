import { toBatch } from '../support/batches.js';
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/core/batch.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import { lookUp } from '../../src/graph/lookups.js';
import { featureReaders } from '../../src/graph/feature-readers.js';
import { embeddingPart, fieldValues, findInputs, selectGroups, type Features } from '../../src/graph/features.js';
import type { Graph } from '../../src/graph/graph.js';
import type { Value } from '../../src/graph/operations.js';
import { buildModel, embeddingParts, models } from '../../src/models/models.js';
import { denseOptimizers } from '../../src/optimizers/optimizers.js';
import { withEmbeddingParts, type InputLayout } from '../../src/tables/layout.js';
import { taskOptions, type Task } from '../../src/core/tasks.js';

const tasks: readonly Task[] = [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }];
const plain: InputLayout = {
  width: 6,
  columns: [
    { field: 'who', group: 'user', offset: 0, width: 2, kind: 'id', table: 'who' },
    { field: 'price', group: 'item', offset: 2, width: 1, kind: 'number' },
    { field: 'what', group: 'item', offset: 3, width: 2, kind: 'id', table: 'what' },
    { field: 'hour', group: 'time', offset: 5, width: 1, kind: 'number' },
  ],
  tables: [
    { name: 'who', rows: 2, width: 2 },
    { name: 'what', rows: 2, width: 2 },
  ],
};
const batch: Batch = toBatch({
  rows: 1,
  ids: new Map([
    ['who', new Uint32Array([1])],
    ['what', new Uint32Array([0])],
  ]),
  numbers: new Map([
    ['price', new Float32Array([50])],
    ['hour', new Float32Array([90])],
  ]),
  labels: new Map([['click', new Float32Array([1])]]),
});

/** What some value holds for one row, whose embeddings count up by ten a row, table by table. */
async function valuesOf(
  layout: InputLayout,
  make: (g: GraphBuilder, features: Features) => Value,
): Promise<readonly number[]> {
  const g = new GraphBuilder();
  const made = make(g, { input: lookUp(g, layout.columns), fields: layout.columns });
  const label = g.input({ kind: 'label', column: 'click' }, 1);
  const predictions = new Map(Array.from({ length: made.width }, (_, i) => [String(i), g.slice(made, i, 1)] as const));
  const loss = g.squaredError(predictions.get('0')!, label);
  const adam = denseOptimizers.schema.parse({});
  const program = createCpuEngine().compile({
    graph: { values: g.values, parameters: g.parameters, predictions, terms: [{ name: 'a', loss, weight: 1 }] },
    layout,
    optimizers: { dense: adam, embeddings: { ...adam, lazy: true } },
    seed: 1,
  });
  const state = program.state();
  const weights = new Map(
    [...state.weights].map(([name, { shape, data }], t) => [
      name,
      { shape, data: data.map((_, i) => 100 * t + 10 * Math.floor(i / shape[1]!) + (i % shape[1]!)) },
    ]),
  );
  program.restore({ ...state, weights });
  const predicted = await program.predict(batch);
  program.dispose();
  return [...predictions.keys()].map((name) => predicted.get(name)![0]!);
}

describe('features of a model component', () => {
  it('are those of its groups in config order, or all if no group is named', async () => {
    const of = (groups?: readonly string[]) =>
      valuesOf(plain, (g, features) => selectGroups(g, features, groups).input);
    expect(await of(['time', 'user'])).toEqual([10, 11, 90]);
    expect(await of(['item'])).toEqual([50, 100, 101]);
    expect(await of()).toEqual([10, 11, 50, 100, 101, 90]);
  });

  it('are not copied if all are selected', () => {
    const g = new GraphBuilder();
    const features: Features = { input: g.input({ kind: 'features', begin: 0 }, 6), fields: plain.columns };
    expect(selectGroups(g, features, undefined)).toBe(features);
    expect(selectGroups(g, features, ['time', 'item', 'user']).input).toBe(features.input);
  });

  it('are available per field, also for some groups', async () => {
    const second = (groups?: readonly string[]) =>
      valuesOf(plain, (g, features) => fieldValues(g, selectGroups(g, features, groups))[1]!);
    expect(await second()).toEqual([50]);
    expect(await second(['item'])).toEqual([100, 101]);
  });

  it('have several parts per embedding if a model requests them, and undivided numbers', async () => {
    const wide = withEmbeddingParts(plain, 3);
    expect([wide.width, wide.tables.map(({ width }) => width)]).toEqual([14, [6, 6]]);
    const part = (i: number, groups?: readonly string[]) =>
      valuesOf(wide, (g, features) => embeddingPart(g, selectGroups(g, features, groups), i, 3).input);
    expect(await part(0)).toEqual([10, 11, 50, 100, 101, 90]);
    expect(await part(2)).toEqual([14, 15, 50, 104, 105, 90]);
    expect(await part(1, ['item', 'time'])).toEqual([50, 102, 103, 90]);
  });

  it('are found in the options of every component', () => {
    expect([
      ...findInputs({
        name: 'x',
        input: ['a'],
        bottom: { hidden: [1], gate: { input: ['b', 'c'] } },
        towers: { t: { input: undefined } },
      }),
    ]).toEqual([
      { path: ['input'], groups: ['a'] },
      { path: ['bottom', 'gate', 'input'], groups: ['b', 'c'] },
    ]);
  });
});

describe('layers that read features', () => {
  const graphOf = (make: (g: GraphBuilder, x: Value) => Value): Graph => {
    const g = new GraphBuilder();
    const out = make(g, g.input({ kind: 'features', begin: 0 }, 4));
    return { values: g.values, parameters: g.parameters, predictions: new Map([['a', out]]), terms: [] };
  };

  it('include every layer whose input columns are feature columns, also after selection', () => {
    const graph = graphOf((g, x) =>
      g.linear(g.linear(g.batchNorm(g.concat([g.slice(x, 2, 2), g.slice(x, 0, 1)]), 'norm'), 3, 'first'), 1, 'second'),
    );
    expect([...featureReaders(graph)]).toEqual([
      'norm.gain',
      'norm.shift',
      'norm.runningMean',
      'norm.runningVariance',
      'first.weight',
      'first.bias',
    ]);
  });

  it('include layers that produce a factor per feature column', () => {
    const graph = graphOf((g, x) => {
      const factors = g.affine(
        g.activation(g.linear(g.linear(x, 3, 'looks'), 4, 'factors'), 'sigmoid', 'between'),
        2,
        0,
      );
      return g.linear(g.linear(g.multiply(factors, x), 2, 'reads'), 1, 'other');
    });
    expect([...featureReaders(graph)].sort()).toEqual([
      'factors.bias',
      'factors.weight',
      'looks.bias',
      'looks.weight',
      'reads.bias',
      'reads.weight',
    ]);
  });
});

describe('a model component', () => {
  const shapes = (spec: object) => {
    const parsed = models.schema.parse(spec);
    const layout = withEmbeddingParts(plain, embeddingParts(parsed, tasks).length);
    return new Map(buildModel(parsed, layout, tasks).parameters.map(({ name, shape }) => [name, shape] as const));
  };

  it('reads its groups: shared layers, and gates separately', () => {
    const found = shapes({
      name: 'ple',
      input: ['item', 'user'],
      gate: { input: ['time'] },
      experts: { shared: 1, perTask: 1, hidden: [7] },
    });
    expect([
      found.get('levels.0.shared.0.0.weight'),
      found.get('levels.0.gates.ctr.weight'),
      found.get('levels.1.shared.0.0.weight'),
      found.get('levels.1.gates.ctr.weight'),
    ]).toEqual([
      [5, 7],
      [1, 2],
      [7, 7],
      [1, 2],
    ]);
    expect(shapes({ name: 'mmoe', gate: { input: ['user'] } }).get('gates.ctr.weight')).toEqual([2, 8]);
    expect(shapes({ name: 'omoe', input: ['item'] }).get('experts.0.0.weight')).toEqual([3, 16]);
    expect(shapes({ name: 'shared-bottom', input: ['time'] }).get('bottom.0.weight')).toEqual([1, 64]);
  });
});
