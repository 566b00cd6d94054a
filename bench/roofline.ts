import { setTimeout } from 'node:timers/promises';
import type { Batch } from '../src/core/batch.js';
import type { Plan } from '../src/engines/engine.js';
import { compile, type Compiled } from '../src/engines/compile/compile.js';
import { BEGIN } from '../src/engines/cpu/begin.js';
import { placeLists } from '../src/engines/cpu/lists.js';
import { allocate } from '../src/engines/cpu/memory.js';
import { instantiate } from '../src/engines/cpu/module.js';
import type { Image } from '../src/engines/state/image.js';
import { createConstantsWriter } from '../src/engines/state/constants.js';
import { loadKernels } from '../src/engines/cpu/load-kernels.js';
import { Team } from '../src/engines/cpu/team.js';
import type { Precision } from '../src/engines/precision.js';
import type { Call } from '../src/engines/compile/call-list.js';
import { combineLinears } from '../src/graph/combine-linears.js';
import { GraphBuilder } from '../src/graph/builder.js';
import type { Graph } from '../src/graph/graph.js';
import type { Value } from '../src/graph/operations.js';
import { denseOptimizers, embeddingOptimizerSchema } from '../src/optimizers/optimizers.js';
import { PRODUCTS } from '../src/engines/compile/products.js';
import { randomStream } from '../src/core/random.js';
import { median } from './results.js';
import { batchesOf, planOf, type Workload } from './workloads.js';

// Peak performance of this machine: the engine's own kernels in isolation, called as compiled steps call them.

/** The best of many short runs excludes interference by other programs. */
const MEASURED_MS = 2000;

/** A product that fits in the cache: 256 rows, 128 inputs, 64 outputs. */
const PRODUCT = { rows: 256, inputs: 128, outputs: 64, repeats: 50 };
/** Tables far larger than the caches, with distinct rows at random. */
const TABLES = { rows: 750_000, count: 2, batch: 200_000 };

/** Measures the peak of the matrix kernel in FLOP/s. */
export async function peakFlops(threads: number, precision: Precision = 'f32'): Promise<number> {
  const { rows, inputs, outputs, repeats } = PRODUCT;
  const columns = Array.from({ length: inputs }, (_, i) => ({
    field: `x${i}`,
    offset: i,
    width: 1,
    kind: 'number' as const,
  }));
  const productsAlone = (step: readonly Call[]): readonly Call[] => {
    const product = step.find(({ kernel }) => kernel === PRODUCTS[precision].product)!;
    return Array.from({ length: repeats }, () => product);
  };
  const seconds = await bestOf(
    productsAlone,
    rows,
    threads,
    { width: inputs, tables: [], columns },
    outputs,
    precision,
    ({ places }, graph, { floats, wordAt }) => {
      const random = randomStream(0, 'product');
      for (const ref of [places.of(graph.values[0]!).value, places.groups[0]!.matrix.at]) {
        for (let i = 0; i < inputs * outputs; i++) floats[wordAt(ref) + i] = random.uniform();
      }
    },
  );
  return (2 * rows * inputs * outputs * repeats) / seconds;
}

/** Measures the table rows per second that Adam updates in random order. */
async function peakRowUpdates(threads: number, width: number): Promise<number> {
  const names = Array.from({ length: TABLES.count }, (_, t) => `t${t}`);
  const layout = {
    width: width * names.length,
    tables: names.map((name) => ({ name, rows: TABLES.rows, width })),
    columns: names.map((name, t) => ({ field: name, offset: t * width, width, kind: 'id' as const, table: name })),
  };
  let distinct = 0;
  const updates = (step: readonly Call[]): readonly Call[] => step.filter(({ kernel }) => kernel.endsWith('Table'));
  const seconds = await bestOf(updates, TABLES.batch, threads, layout, 8, 'f32', (compiled, _, image) => {
    const random = randomStream(0, 'rows');
    const { words, wordAt } = image;
    createConstantsWriter(compiled, image)(1, { dense: 1, embeddings: 1 });
    words[wordAt(compiled.tables.fresh)] = 1;
    for (const { count } of compiled.tables.all) words[wordAt(count) + 2] = TABLES.batch;
    for (const name of names) {
      const ids = Uint32Array.from({ length: TABLES.batch }, () => random.below(TABLES.rows));
      words.set(ids, wordAt(compiled.tables.column('id', name)));
      distinct += new Set(ids).size;
    }
  });
  return distinct / seconds;
}

/** Returns the fastest time, in seconds, of training steps of one linear layer. */
async function bestOf(
  choose: (step: readonly Call[]) => readonly Call[],
  rows: number,
  threads: number,
  layout: Plan['layout'],
  outputs: number,
  precision: Precision,
  prepare: (compiled: Compiled, graph: Graph, image: Image) => void,
): Promise<number> {
  const g = new GraphBuilder();
  const out = g.linear(g.input({ kind: 'features', begin: 0 }, layout.width), outputs, 'layer');
  const y = g.linear(out, 1, 'head');
  const loss = g.squaredError(y, g.input({ kind: 'label', column: 'y' }, 1));
  const graph: Graph = {
    values: g.values,
    parameters: g.parameters,
    terms: [{ name: 'y', loss, weight: 1 }],
    predictions: new Map([['y', y]]),
  };
  const plan: Plan = {
    graph,
    layout,
    optimizers: { dense: denseOptimizers.schema.parse({}), embeddings: embeddingOptimizerSchema.parse({}) },
    seed: 1,
    batchRows: rows,
    step: { precision },
  };

  const compiled = compile(plan);
  const { train } = compiled.lists;
  const lists = { train, timed: choose(train) };
  const cpu = allocate(compiled, lists);
  const { memory, image } = cpu;
  const kernels = loadKernels();
  const instance = instantiate(kernels, memory);
  const team = new Team({
    kernels,
    instance,
    memory,
    lists: placeLists(lists, cpu, compiled, instance),
    barrier: BEGIN,
    threads,
    rowWork: Infinity,
  });
  await setTimeout(500); // Waits for the workers to start.
  prepare(compiled, graph, image);
  // Timed calls work on the state that a step has left.
  team.run('train', rows);
  let bestMs = Infinity;
  for (const end = performance.now() + MEASURED_MS; performance.now() < end;) {
    const start = performance.now();
    team.run('timed', rows);
    bestMs = Math.min(bestMs, performance.now() - start);
  }
  team.end();
  return bestMs / 1000;
}

/** Peak performance with a number of threads. */
export interface Peaks {
  readonly threads: number;
  /** FLOP/s of the matrix kernel. */
  readonly flops: number;
  /** Random rows per second that Adam updates, by width. */
  readonly rowUpdates: ReadonlyMap<number, number>;
}

/** Measures the peaks that workloads are compared with. */
export async function peaksOf(works: readonly Workload[], threads: number): Promise<Peaks> {
  const rowUpdates = new Map<number, number>();
  for (const width of new Set(works.map((work) => work.width)))
    rowUpdates.set(width, await peakRowUpdates(threads, width));
  return { threads, flops: await peakFlops(threads), rowUpdates };
}

/** Computes the work of a step (FLOPs and table rows) and the milliseconds that it takes at the peaks. */
export function rooflineOf(
  work: Workload,
  { flops, rowUpdates }: Peaks,
): { readonly flops: number; readonly rows: number; readonly ms: number } {
  const batches = batchesOf(work, 5);
  const items = median(batches.map((batch) => itemsPerRow(batch, (count) => count)));
  const squares = median(batches.map((batch) => itemsPerRow(batch, (count) => count ** 2)));
  const ofStep = trainingFlops(planOf(work).graph, items, squares) * work.batchRows;
  const rows = median(batches.map(distinctRows));
  return { flops: ofStep, rows, ms: 1000 * (ofStep / flops + rows / rowUpdates.get(work.width)!) };
}

/**
 * Counts the FLOPs of the linear layers and of attention between items for one row: forward pass and gradients of
 * inputs and weights.
 * @param items number of items per row, whose layers are those that the CPU engine computes
 * @param squares mean of the squared numbers of items
 */
export function trainingFlops(graph: Graph, items = 0, squares = items ** 2): number {
  const { values } = combineLinears(graph, { folds: true });
  const rowsOf = ({ rows }: Value): number =>
    rows.kind === 'items' ? items : rows.kind === 'selected' ? Math.min(items, rows.count) : 1;
  const flopsOf = (value: Value): number => {
    switch (value.op) {
      case 'linear':
      case 'combinedLinear':
      case 'scaledLinear':
        return 3 * 2 * value.x.width * value.width * rowsOf(value);
      case 'segmentAttention':
        // Scores and weighted sums; gradients are four products of the same size.
        return 3 * 2 * 2 * value.width * (value.isCausal ? (squares + items) / 2 : squares);
      default:
        return 0;
    }
  };
  return values.reduce((sum, value) => sum + flopsOf(value), 0);
}

/** Returns the mean over rows of a function of the number of items in the longest history. */
const itemsPerRow = ({ rows, columns }: Batch, of: (count: number) => number): number =>
  Math.max(
    0,
    ...[...columns.values()].map((each) => {
      if (each.type !== 'list') return 0;
      const { offsets } = each;
      let sum = 0;
      for (let b = 0; b < rows; b++) sum += of(offsets[b + 1]! - offsets[b]!);
      return sum / rows;
    }),
  );

function distinctRows({ columns }: Batch): number {
  const ids = [...columns.values()].flatMap((each) =>
    each.type === 'list' ? [each.ids] : each.type === 'u32' ? [each.data] : [],
  );
  return ids.reduce((sum, own) => sum + new Set(own).size, 0);
}
