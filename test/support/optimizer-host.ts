import { toBatch } from './batches.js';
import type { Batch } from '../../src/core/batch.js';
import type { Host } from '../../src/engines/host.js';
import type { KernelModule } from '../../src/engines/cpu/module.js';
import { optimizers } from '../../src/optimizers/optimizers.js';
import type { InputLayout } from '../../src/tables/layout.js';
import { gradientOf, hostOf, NO_TABLES, updateVectors } from './host.js';

const RATES = { dense: 1, embeddings: 1 };
const VECTOR = 'v';
const TABLE = 't';

/** Weights under one optimizer: a dense vector, or the rows of a table. */
export interface Trained {
  /** Runs one step; gradients have shape [rows, width]. Returns false if the step is skipped. */
  step(gradient: readonly number[], touched: readonly number[], step: number, factor?: number): boolean;
  weights(): readonly number[];
  /** Optimizer state by name. */
  slots(): Readonly<Record<string, readonly number[]>>;
  readonly host: Host;
}

/** Shape and initial values. */
export interface TrainedOptions {
  readonly initial: readonly number[];
  readonly width: number;
  readonly kernels?: KernelModule | undefined;
}

/** A dense vector under an optimizer. */
export function trainedVector(optimizer: object, { initial, kernels }: TrainedOptions): Trained {
  const host = hostOf(NO_TABLES, { dense: optimizer, vectors: { [VECTOR]: initial.length }, kernels });
  restoreWeights(host, VECTOR, initial);
  return {
    host,
    ...readers(host, VECTOR),
    step: (gradient, _, step, factor = 1) =>
      updateVectors(host, new Map([[VECTOR, Float32Array.from(gradient)]]), step, { ...RATES, dense: factor }),
  };
}

/** The rows of a table under an optimizer. Each touched row occurs twice in the batch, with half of its gradient. */
export function trainedTable(optimizer: object, { initial, width, kernels }: TrainedOptions): Trained {
  const layout: InputLayout = {
    width,
    tables: [{ name: TABLE, rows: initial.length / width, width }],
    columns: [{ field: 'id', offset: 0, width, kind: 'id', table: TABLE }],
  };
  const host = hostOf(layout, { embeddings: optimizer, kernels });
  restoreWeights(host, `embeddings.${TABLE}`, initial);
  return {
    host,
    ...readers(host, `embeddings.${TABLE}`),
    step(gradient, touched, step, factor = 1) {
      const ids = Uint32Array.from([...touched, ...touched]);
      const batch: Batch = toBatch({
        rows: ids.length,
        ids: new Map([['id', ids]]),
      });
      const looked = host.lookup(batch);
      const halves = Float32Array.from(
        [...ids].flatMap((row) => gradient.slice(row * width, (row + 1) * width).map((g) => g / 2)),
      );
      host.add(gradientOf(looked, halves), new Map(), { area: 0, isFirst: true });
      return host.update(step, { ...RATES, embeddings: factor });
    },
  };
}

/** An optimizer's defaults, with a number in place of every 0. */
export function oddOptions(name: string, value: number): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(optimizers.schema.parse({ name })).map(([key, given]) => [key, given === 0 ? value : given]),
  );
}

function restoreWeights({ store }: Host, tensor: string, values: readonly number[]): void {
  const { weights } = store.state(0);
  store.restore({
    step: 0,
    weights: new Map([[tensor, { shape: weights.get(tensor)!.shape, data: Float32Array.from(values) }]]),
    optimizer: new Map(),
  });
}

function readers({ store }: Host, tensor: string): Pick<Trained, 'weights' | 'slots'> {
  return {
    weights: () => [...store.state(0).weights.get(tensor)!.data],
    slots: () =>
      Object.fromEntries(
        [...store.state(0).optimizer].map(([name, { data }]) => [name.slice(tensor.length + 1), [...data]]),
      ),
  };
}
