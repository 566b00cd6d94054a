import { toBatch } from './batches.js';
import type { Batch } from '../../src/core/batch.js';
import type { Plan, Program, StepPlan } from '../../src/engines/engine.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import { lookUp } from '../../src/graph/lookups.js';
import { embeddingOptimizerSchema, denseOptimizers } from '../../src/optimizers/optimizers.js';
import { randomStream } from '../../src/core/random.js';
import type { InputLayout } from '../../src/tables/layout.js';

// Two loss terms over a shared layer, one of them on a subset of rows; two fields share a table, a bag has its own.

const WIDTH = 5;
const layout: InputLayout = {
  width: 3 * WIDTH + 1,
  tables: [
    { name: 'item', rows: 40, width: WIDTH },
    { name: 'tags', rows: 30, width: WIDTH },
  ],
  columns: [
    { field: 'seen', offset: 0, width: WIDTH, kind: 'id', table: 'item' },
    { field: 'price', offset: WIDTH, width: 1, kind: 'number' },
    { field: 'item', offset: WIDTH + 1, width: WIDTH, kind: 'id', table: 'item' },
    { field: 'tags', offset: 2 * WIDTH + 1, width: WIDTH, kind: 'bag', table: 'tags', pooling: 'mean' },
  ],
};

/** With a huge epsilon, Adam's update is nearly linear in the gradient. */
const LINEAR = { name: 'adam', learningRate: 1e7, epsilon: 1e8, betas: [0, 0] as [number, number] };

/** A plan whose weights move by a tenth of the gradient. */
export function twoTermPlan(weights: readonly [number, number], step?: StepPlan, batchRows = 64): Plan {
  const g = new GraphBuilder();
  const x = lookUp(g, layout.columns);
  const [click, buy] = ['click', 'buy'].map((column) => g.input({ kind: 'label', column }, 1));
  const h = g.activation(g.linear(x, 12, 'shared'), 'tanh', 'shared.tanh');
  const [first, second] = ['a', 'b'].map((name) =>
    g.linear(g.activation(g.linear(h, 6, name), 'tanh', `${name}.tanh`), 1, `${name}.out`),
  );
  const terms = [
    { name: 'ctr', loss: g.binaryCrossEntropy(first!, click!), weight: weights[0] },
    { name: 'cvr', loss: g.squaredError(second!, buy!, { mask: click }), weight: weights[1] },
  ];
  return {
    graph: {
      values: g.values,
      parameters: g.parameters,
      terms,
      predictions: new Map([
        ['ctr', first!],
        ['cvr', second!],
      ]),
    },
    layout,
    batchRows,
    seed: 3,
    optimizers: {
      dense: denseOptimizers.schema.parse(LINEAR),
      embeddings: embeddingOptimizerSchema.parse({ ...LINEAR, lazy: true }),
    },
    ...(step !== undefined && { step }),
  };
}

/** Scales the initial embeddings, and thereby gradients. */
export function withLargeEmbeddings(program: Program): Program {
  const { step, weights } = program.state();
  program.restore({
    step,
    optimizer: new Map(),
    weights: new Map(
      [...weights].map(([name, { shape, data }]) => [
        name,
        { shape, data: data.map((w) => (name.startsWith('embeddings.') ? 3000 * w : w)) },
      ]),
    ),
  });
  return program;
}

/** Copies all weights of a program. */
export function copyOfWeights(program: Program): Map<string, Float32Array> {
  return new Map([...program.state().weights].map(([name, { data }]) => [name, data.slice()]));
}

/** Random rows for it. */
export function twoTermBatch(rows: number, seed = 1): Batch {
  const random = randomStream(seed, 'two terms');
  const ids = (): Uint32Array => Uint32Array.from({ length: rows }, () => random.below(40));
  const offsets = new Uint32Array(rows + 1);
  for (let b = 0; b < rows; b++) offsets[b + 1] = offsets[b]! + random.below(4);
  const items = offsets[rows]!;
  const labels = (): Float32Array => Float32Array.from({ length: rows }, () => random.below(2));
  return toBatch({
    rows,
    ids: new Map([
      ['seen', ids()],
      ['item', ids()],
    ]),
    numbers: new Map([['price', Float32Array.from({ length: rows }, () => random.normal())]]),
    bags: new Map([
      [
        'tags',
        {
          offsets,
          ids: Uint32Array.from({ length: items }, () => random.below(30)),
          weights: Float32Array.from({ length: items }, () => 1 + random.uniform()),
        },
      ],
    ]),
    labels: new Map([
      ['click', labels()],
      ['buy', labels()],
    ]),
  });
}
