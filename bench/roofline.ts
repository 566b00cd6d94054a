import { setTimeout } from 'node:timers/promises';
import type { Batch } from '../src/core/batch.js';
import type { Plan } from '../src/engines/engine.js';
import { compile, type Compiled } from '../src/engines/simd/compile.js';
import { BEGIN } from '../src/engines/simd/lay-out.js';
import { createConstantsWriter } from '../src/engines/simd/constants.js';
import { loadKernels } from '../src/engines/simd/load-kernels.js';
import { createMemory } from '../src/engines/simd/module.js';
import { createTeam } from '../src/engines/simd/team.js';
import type { Precision } from '../src/engines/precision.js';
import type { Call } from '../src/engines/simd/call-list.js';
import { GraphBuilder } from '../src/graph/builder.js';
import type { Graph } from '../src/graph/graph.js';
import { denseOptimizers, embeddingOptimizerSchema } from '../src/optimizers/optimizers.js';
import { PRODUCTS } from '../src/engines/simd/products.js';
import { randomStream } from '../src/core/random.js';
import { median } from './results.js';
import { batchesOf, planOf, type Workload } from './workloads.js';

// What this machine can do at the best: the engine's own kernels, alone, as the compiler calls them.

/** The best of many short runs: what else the machine does must not be seen. */
const MEASURED_MS = 2000;

/** A product that fits in the cache: 256 rows, 128 inputs, 64 outputs. */
const PRODUCT = { rows: 256, inputs: 128, outputs: 64, repeats: 50 };
/** Distinct rows far beyond the caches, out of a vocabulary as large as Ali-CCP's, in two tables. */
const TABLES = { rows: 750_000, count: 2, batch: 200_000 };

/** Multiplications and additions a second of the matrix kernel. */
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
    ({ places }, graph, floats) => {
      const random = randomStream(0, 'product');
      for (const at of [places.of(graph.values[0]!).at, places.groups[0]!.matrix.at]) {
        for (let i = 0; i < inputs * outputs; i++) floats[at / 4 + i] = random.uniform();
      }
    },
  );
  return (2 * rows * inputs * outputs * repeats) / seconds;
}

/** Random rows of a table that Adam updates in a second. */
async function peakRowUpdates(threads: number, width: number): Promise<number> {
  const names = Array.from({ length: TABLES.count }, (_, t) => `t${t}`);
  const layout = {
    width: width * names.length,
    tables: names.map((name) => ({ name, rows: TABLES.rows, width })),
    columns: names.map((name, t) => ({ field: name, offset: t * width, width, kind: 'id' as const, table: name })),
  };
  let distinct = 0;
  const updates = (step: readonly Call[]): readonly Call[] => step.filter(({ kernel }) => kernel.endsWith('Table'));
  const seconds = await bestOf(updates, TABLES.batch, threads, layout, 8, 'f32', (compiled, _, floats) => {
    const random = randomStream(0, 'rows');
    const words = new Uint32Array(floats.buffer);
    createConstantsWriter(compiled, floats)(1, { dense: 1, embeddings: 1 });
    words[compiled.tables.fresh / 4] = 1;
    for (const { count } of compiled.tables.all) words[count / 4 + 2] = TABLES.batch;
    for (const name of names) {
      const ids = Uint32Array.from({ length: TABLES.batch }, () => random.below(TABLES.rows));
      words.set(ids, compiled.tables.column('id', name) / 4);
      distinct += new Set(ids).size;
    }
  });
  return distinct / seconds;
}

/** The best time, in seconds, of some calls of the training step of a linear layer over `layout`. */
async function bestOf(
  choose: (step: readonly Call[]) => readonly Call[],
  rows: number,
  threads: number,
  layout: Plan['layout'],
  outputs: number,
  precision: Precision,
  prepare: (compiled: Compiled, graph: Graph, floats: Float32Array) => void,
): Promise<number> {
  const g = new GraphBuilder();
  const out = g.linear(g.input({ kind: 'features' }, layout.width), outputs, 'layer');
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
  const memory = createMemory(compiled.arena.bytes);
  const { train } = compiled.lists;
  const team = createTeam({
    kernels: loadKernels(),
    memory,
    lists: { train, timed: choose(train) },
    barrier: BEGIN,
    threads,
    rowWork: Infinity,
  });
  await setTimeout(500); // Until the workers are there.
  prepare(compiled, graph, new Float32Array(memory.buffer));
  // What is timed works on what a step has left.
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

/** What a machine can do at the best with so many threads. */
export interface Peaks {
  readonly threads: number;
  /** Multiplications and additions a second. */
  readonly flops: number;
  /** Random rows that Adam updates in a second, by their width. */
  readonly rowUpdates: ReadonlyMap<number, number>;
}

/** Measures the peaks that some workloads are held to. */
export async function peaksOf(works: readonly Workload[], threads: number): Promise<Peaks> {
  const rowUpdates = new Map<number, number>();
  for (const width of new Set(works.map((work) => work.width)))
    rowUpdates.set(width, await peakRowUpdates(threads, width));
  return { threads, flops: await peakFlops(threads), rowUpdates };
}

/**
 * The work of a step: its multiplications and additions, and the rows of tables that it touches; and the milliseconds
 * that both would take at the peaks.
 */
export function rooflineOf(
  work: Workload,
  { flops, rowUpdates }: Peaks,
): { readonly flops: number; readonly rows: number; readonly ms: number } {
  const ofStep = trainingFlops(planOf(work).graph) * work.batchRows;
  const rows = median(batchesOf(work, 5).map(distinctRows));
  return { flops: ofStep, rows, ms: 1000 * (ofStep / flops + rows / rowUpdates.get(work.width)!) };
}

/**
 * Multiplications and additions of the linear layers for one row: forwards, and for the gradients of inputs and of
 * weights.
 */
export function trainingFlops({ values }: Graph): number {
  return values.reduce((sum, value) => sum + (value.op === 'linear' ? 3 * 2 * value.x.width * value.width : 0), 0);
}

/** Rows of tables that a batch touches. */
function distinctRows({ ids, bags }: Batch): number {
  const columns = [...ids.values(), ...[...bags.values()].map((bag) => bag.ids)];
  return columns.reduce((sum, column) => sum + new Set(column).size, 0);
}
