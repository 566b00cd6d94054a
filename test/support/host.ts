import { toBatch } from './batches.js';
import type { Batch } from '../../src/core/batch.js';
import { createHost } from '../../src/engines/cpu/host.js';
import type { Host, LookedUp } from '../../src/engines/host.js';
import type { KernelModule } from '../../src/engines/cpu/module.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import { lookUp } from '../../src/graph/lookups.js';
import type { Parameter } from '../../src/graph/operations.js';
import { denseOptimizers, embeddingOptimizerSchema } from '../../src/optimizers/optimizers.js';
import type { InputLayout } from '../../src/tables/layout.js';

/** Trained tensors of a host, its optimizer, and the build of its kernels. */
export interface HostOptions {
  readonly dense?: object;
  readonly embeddings?: object;
  readonly vectors?: Readonly<Record<string, number>>;
  readonly kernels?: KernelModule | undefined;
}

/** Tables of a layout and trained vectors without a model, for testing optimizer kernels. */
export function hostOf(layout: InputLayout, options: HostOptions = {}): Host {
  const parameters = Object.entries(options.vectors ?? {}).map(([name, length]): Parameter => ({
    name,
    shape: [length],
    init: { kind: 'constant', value: 0 },
    isTrainable: true,
  }));
  const g = new GraphBuilder();
  if (layout.columns.length > 0) lookUp(g, layout.columns);
  return createHost(
    {
      graph: { values: g.values, parameters, predictions: new Map(), terms: [] },
      layout,
      optimizers: {
        dense: denseOptimizers.schema.parse(options.dense ?? {}),
        embeddings: embeddingOptimizerSchema.parse(options.embeddings ?? {}),
      },
      seed: 1,
    },
    options.kernels,
  );
}

/** Returns the only looked-up value of a host without bags. */
export function featuresOf(lookedUp: LookedUp): Float32Array {
  const [features] = lookedUp.values();
  return features!;
}

/** Gradients of the only looked-up value of a host without bags. */
export function gradientOf(lookedUp: LookedUp, features: Float32Array): LookedUp {
  return new Map([...lookedUp.keys()].map((value) => [value, features]));
}

/** Copies a host's weights by tensor name. */
export function weightsOf({ store }: Host): Map<string, number[]> {
  return new Map([...store.state(0).weights].map(([name, { data }]) => [name, [...data]]));
}

/** Changes a host's weights; optimizer state stays. */
export function setWeights({ store }: Host, change: (name: string, data: Float32Array) => Float32Array): void {
  const { step, weights } = store.state(0);
  store.restore({
    step,
    weights: new Map(
      [...weights].map(([name, { shape, data }]) => [name, { shape, data: change(name, data.slice()) }]),
    ),
    optimizer: new Map(),
  });
}

/** Updates a host's vectors with given gradients, as step `step`. */
export function updateVectors(
  host: Host,
  gradients: ReadonlyMap<string, Float32Array>,
  step: number,
  rates = { dense: 1, embeddings: 1 },
): boolean {
  host.add(host.lookup(NO_ROWS), gradients, { area: 0, isFirst: true });
  return host.update(step, rates);
}

/** A layout without tables, and an empty batch for it. */
export const NO_TABLES: InputLayout = {
  width: 1,
  tables: [],
  columns: [{ field: 'x', offset: 0, width: 1, kind: 'number' }],
};
const NO_ROWS: Batch = toBatch({
  rows: 0,
  numbers: new Map([['x', new Float32Array(0)]]),
});
