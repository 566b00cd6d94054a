import { column, type Batch } from '../batch.js';
import { userError } from '../errors.js';
import { metrics } from './metrics.js';
import type { Space } from './spaces.js';

/** The metrics of one space: a number, or null with its reason under `reasons`. */
export interface SpaceReport {
  readonly rows: number;
  /** Rows with label 1; absent for a regression. */
  readonly positives?: number;
  readonly reasons?: Readonly<Record<string, string>>;
  readonly [metric: string]: number | null | undefined | Readonly<Record<string, string>>;
}

/** Metrics by space. */
export type Report = Readonly<Record<string, SpaceReport>>;

/** Labels and predictions of a data set, in memory: four bytes a row for each. */
export interface Collector {
  add(batch: Batch, predictions: ReadonlyMap<string, Float32Array>): void;
  /** Metrics of all rows that were added. */
  report(): Report;
}

/** Collects what the metrics of `spaces` need. */
export function createCollector(spaces: readonly Space[]): Collector {
  const predictions = new Map<string, GrowingArray>();
  const labels = new Map<string, GrowingArray>();
  for (const { label, where, factors } of spaces) {
    for (const factor of factors) predictions.set(factor, new GrowingArray());
    for (const name of where === undefined ? [label] : [label, where]) labels.set(name, new GrowingArray());
  }
  return {
    add(batch, batchPredictions) {
      for (const [task, all] of predictions) {
        const values = column(batchPredictions, task);
        if (!values.every(Number.isFinite)) {
          throw userError('diverged', { key: task, message: 'the model predicts numbers that are not finite', fix: 'lower the learning rate' });
        }
        all.append(values, batch.rows);
      }
      for (const [name, all] of labels) all.append(column(batch.labels, name), batch.rows);
    },
    report: () =>
      Object.fromEntries(
        spaces.map((space) => [space.name, measure(space, (task) => column(predictions, task).values, (name) => column(labels, name).values)]),
      ),
  };
}

function measure(space: Space, predictionsOf: (task: string) => Float32Array, labelsOf: (name: string) => Float32Array): SpaceReport {
  const inSpace = space.where === undefined ? undefined : labelsOf(space.where);
  const select = (values: Float32Array): Float32Array => (inSpace === undefined ? values : values.filter((_, row) => inSpace[row] === 1));
  const labels = select(labelsOf(space.label));
  const [first, ...others] = space.factors.map((task) => select(predictionsOf(task)));
  const predictions = others.reduce((product, factor) => product.map((value, row) => value * factor[row]!), first!);

  const values: Record<string, number | null> = {};
  const reasons: Record<string, string> = {};
  for (const metric of metrics) {
    if (metric.taskType !== space.type) continue;
    const value = labels.length === 0 ? { reason: 'no rows' } : metric.compute(labels, predictions);
    values[metric.name] = typeof value === 'number' ? value : null;
    if (typeof value !== 'number') reasons[metric.name] = value.reason;
  }
  return {
    rows: labels.length,
    ...(space.type === 'classification' ? { positives: labels.reduce((sum, label) => sum + label, 0) } : {}),
    ...values,
    ...(Object.keys(reasons).length > 0 ? { reasons } : {}),
  };
}

/** Floats without a known end. */
class GrowingArray {
  #data = new Float32Array(1 << 12);
  #length = 0;

  append(values: Float32Array, count: number): void {
    if (this.#length + count > this.#data.length) {
      const larger = new Float32Array(Math.max(this.#length + count, 2 * this.#data.length));
      larger.set(this.#data.subarray(0, this.#length));
      this.#data = larger;
    }
    this.#data.set(values.subarray(0, count), this.#length);
    this.#length += count;
  }

  get values(): Float32Array {
    return this.#data.subarray(0, this.#length);
  }
}
