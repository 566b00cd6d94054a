import { toBatch } from './batches.js';
import { column, type Batch } from '../../src/core/batch.js';
import type { Plan, Program } from '../../src/engines/engine.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { buildModel, listLookups, models } from '../../src/models/models.js';
import { denseOptimizers } from '../../src/optimizers/optimizers.js';
import { randomStream } from '../../src/core/random.js';
import { withEmbeddingParts, withWidePart } from '../../src/tables/layout.js';
import { taskOptions, type Task } from '../../src/core/tasks.js';

// Reference models: their formulas over plain lists of numbers, one row at a time, with a program's weights.

export type Row = readonly number[];

export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
export const relu = (x: Row): Row => x.map((v) => Math.max(v, 0));
export const swish = (x: Row): Row => x.map((v) => v * sigmoid(v));
export const plus = (...all: readonly Row[]): Row =>
  all[0]!.map((_, i) => all.reduce((sum, each) => sum + each[i]!, 0));
export const times = (a: Row, b: Row): Row => a.map((v, i) => v * b[i]!);
export const dot = (a: Row, b: Row): number => a.reduce((sum, v, i) => sum + v * b[i]!, 0);

export function softmax(scores: Row): Row {
  const all = scores.map((score) => Math.exp(score));
  return all.map((each) => each / all.reduce((a, b) => a + b));
}

/** Σ share · row */
export function mixed(shares: Row, rows: readonly Row[]): Row {
  return rows[0]!.map((_, i) => rows.reduce((sum, row, e) => sum + shares[e]! * row[i]!, 0));
}

/** A click and a conversion after it. */
export const funnel: readonly Task[] = [
  task('ctr', { label: 'click' }),
  task('cvr', { label: 'purchase', given: 'click' }),
];

export function task(name: string, options: object): Task {
  return { name, ...taskOptions.parse(options) };
}

/** Builds the plan of a model over a user with an embedding of width 2, an item of width `itemWidth`, and a price. */
export function smallPlan(spec: unknown, tasks: readonly Task[] = funnel, itemWidth = 3): Plan {
  const parsed = models.schema.parse(spec);
  const { embeddingParts, wide } = listLookups(parsed, tasks);
  const features = withEmbeddingParts(
    {
      width: 3 + itemWidth,
      tables: [
        { name: 'user', rows: 4, width: 2 },
        { name: 'item', rows: 3, width: itemWidth },
      ],
      columns: [
        { field: 'user', group: 'user', offset: 0, width: 2, kind: 'id', table: 'user' },
        { field: 'item', group: 'item', offset: 2, width: itemWidth, kind: 'id', table: 'item' },
        { field: 'price', group: 'item', offset: 2 + itemWidth, width: 1, kind: 'number' },
      ],
    },
    embeddingParts.length,
  );
  const layout = wide === undefined ? features : withWidePart(features, wide);
  const sgd = denseOptimizers.schema.parse({ name: 'sgd', learningRate: 0.1 });
  return {
    graph: buildModel(parsed, layout, tasks),
    layout,
    optimizers: { dense: sgd, embeddings: { ...sgd, lazy: true } },
    seed: 3,
  };
}

/** Random rows for it. */
export function smallBatch(rows = 12): Batch {
  const random = randomStream(1, 'small rows');
  const labels = (): Float32Array => Float32Array.from({ length: rows }, () => random.below(2));
  const click = labels();
  const below = (label: Float32Array): Float32Array => label.map((y) => y * random.below(2));
  const cart = below(click);
  return toBatch({
    rows,
    ids: new Map([
      ['user', Uint32Array.from({ length: rows }, () => random.below(4))],
      ['item', Uint32Array.from({ length: rows }, () => random.below(3))],
    ]),
    numbers: new Map([['price', Float32Array.from({ length: rows }, () => random.normal())]]),
    labels: new Map([
      ['click', click],
      ['purchase', below(click)],
      ['cart', cart],
      ['pay', below(cart)],
      ['spend', Float32Array.from({ length: rows }, () => 3 * random.uniform())],
    ]),
  });
}

/** A model with random weights, and the building blocks of its formulas for a row of its batch. */
export interface ByHand {
  readonly plan: Plan;
  readonly program: Program;
  readonly batch: Batch;
  /** x W + b of a layer; without a bias if it has none. */
  linear(x: Row, name: string): Row;
  weight(name: string): Row;
  /** Features of a row, or one of `parts` slices of their embeddings. */
  features(row: number, part?: number, parts?: number): Row;
}

/** Compiles a model and gives it random weights. */
export function byHand(spec: unknown, tasks: readonly Task[] = funnel, itemWidth = 3): ByHand {
  const plan = smallPlan(spec, tasks, itemWidth);
  const program = createCpuEngine().compile(plan);
  const random = randomStream(5, 'stir');
  const { weights, optimizer } = program.state();
  program.restore({
    step: 0,
    optimizer,
    weights: new Map(
      [...weights].map(([name, { shape, data }]) => [
        name,
        { shape, data: data.map((value) => (name.includes('running') ? value : 0.6 * random.normal())) },
      ]),
    ),
  });
  const tensors = new Map(
    [...program.state().weights].map(([name, { shape, data }]) => [name, { shape, data: [...data] }]),
  );
  const weight = (name: string): Row => {
    const tensor = tensors.get(name);
    if (tensor === undefined)
      throw new Error(`no weight is called ${name}; there are ${[...tensors.keys()].join(', ')}`);
    return tensor.data;
  };
  const batch = smallBatch();
  return {
    plan,
    program,
    batch,
    weight,
    linear(x, name) {
      const w = weight(`${name}.weight`);
      const bias = tensors.get(`${name}.bias`)?.data;
      const [inputs, width] = tensors.get(`${name}.weight`)!.shape as [number, number];
      if (inputs !== x.length) throw new Error(`${name} reads ${inputs} numbers, found ${x.length}`);
      return Array.from({ length: width }, (_, c) =>
        x.reduce((sum, v, k) => sum + v * w[k * width + c]!, bias?.[c] ?? 0),
      );
    },
    features(row, part = 0, parts = 1) {
      const embedding = (field: string, width: number): Row => {
        const begin = column(batch, field, 'u32').data[row]! * width * parts + part * width;
        return weight(`embeddings.${field}`).slice(begin, begin + width);
      };
      return [...embedding('user', 2), ...embedding('item', itemWidth), column(batch, 'price', 'f32').data[row]!];
    },
  };
}
