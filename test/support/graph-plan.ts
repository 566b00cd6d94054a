import { toBatch } from './batches.js';
import type { InputLayout } from '../../src/tables/layout.js';
import type { Plan } from '../../src/engines/engine.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import { lookUp } from '../../src/graph/lookups.js';
import type { Graph } from '../../src/graph/graph.js';
import type { Value } from '../../src/graph/operations.js';
import type { Batch } from '../../src/core/batch.js';
import { denseOptimizers } from '../../src/optimizers/optimizers.js';
import { randomStream } from '../../src/core/random.js';

/** Numeric columns x0, x1, … only. */
export function numericLayout(width: number): InputLayout {
  return {
    width,
    tables: [],
    columns: Array.from({ length: width }, (_, i) => ({
      field: `x${i}`,
      offset: i,
      width: 1,
      kind: 'number' as const,
    })),
  };
}

/** Builds a plan around a hand-written graph over numeric columns (or the columns of a layout) and the label 'y'. */
export function planOf(
  columns: number | InputLayout,
  build: (
    g: GraphBuilder,
    input: Value,
    label: Value,
  ) => Pick<Graph, 'terms' | 'attention'> & { predictions: Record<string, Value> },
): Plan {
  const layout = typeof columns === 'number' ? numericLayout(columns) : columns;
  const g = new GraphBuilder();
  const { predictions, ...output } = build(g, lookUp(g, layout.columns), g.input({ kind: 'label', column: 'y' }, 1));
  const adam = denseOptimizers.schema.parse({ name: 'adam', learningRate: 0.01 });
  return {
    graph: {
      values: g.values,
      parameters: g.parameters,
      ...output,
      predictions: new Map(Object.entries(predictions)),
    },
    layout,
    optimizers: { dense: adam, embeddings: { ...adam, lazy: true } },
    seed: 7,
  };
}

/** Random rows for `numericLayout`, with 0/1 labels 'y' and 'mask'. */
export function numericBatch(rows: number, width: number, seed = 1): Batch {
  const random = randomStream(seed, 'batch');
  const draw = (): Float32Array => Float32Array.from({ length: rows }, () => random.normal());
  const classes = (): Float32Array => Float32Array.from({ length: rows }, () => Number(random.uniform() < 0.5));
  return toBatch({
    rows,
    numbers: new Map(Array.from({ length: width }, (_, i) => [`x${i}`, draw()])),
    labels: new Map([
      ['y', classes()],
      ['mask', classes()],
      ['weight', Float32Array.from({ length: rows }, () => random.uniform() * 2)],
    ]),
  });
}
