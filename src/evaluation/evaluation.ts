import { column, type Batch } from '../batch.js';
import { userError } from '../errors.js';
import { metrics } from './metrics.js';
import { createRowStore, type Block } from './row-store.js';
import { sumOf, type Scores } from './scores.js';
import { scoresOf, type Space } from './spaces.js';

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

/** Labels and predictions of a data set, in memory: four bytes a row for each prediction, one for each label of a class. */
export interface Collector {
  /** @throws UserError (diverged) for a prediction that is not finite */
  add(batch: Batch, predictions: ReadonlyMap<string, Float32Array>): void;
  /** The rows so far: plain typed arrays, which may come from another thread. */
  readonly blocks: readonly Block[];
  /** Takes the rows of a collector of the same spaces: the report is that of one collector that saw all rows, to the last bit. */
  merge(other: Pick<Collector, 'blocks'>): void;
  /** Metrics of all rows that were added. */
  report(): Report;
}

/** Collects what the metrics of `spaces` need. */
export function createCollector(spaces: readonly Space[]): Collector {
  const classes = new Set(spaces.flatMap(({ type, label, where }) => [...(type === 'classification' ? [label] : []), ...(where === undefined ? [] : [where])]));
  const labels = new Set(spaces.flatMap(({ label, where }) => (where === undefined ? [label] : [label, where])));
  const store = createRowStore(
    spaces.flatMap(({ factors }) => factors),
    [...labels].map((name) => ({ name, isClass: classes.has(name) })),
  );
  return {
    blocks: store.blocks,
    add(batch, predictions) {
      for (const task of store.tasks) {
        if (!areFinite(column(predictions, task), batch.rows)) {
          throw userError('diverged', { key: task, message: 'the model predicts numbers that are not finite', fix: 'lower the learning rate' });
        }
      }
      store.append(batch, predictions);
    },
    merge: ({ blocks }) => store.take(blocks),
    report: () => Object.fromEntries(spaces.map((space) => [space.name, measure(space, scoresOf(space, store.blocks))])),
  };
}

function areFinite(values: Float32Array, count: number): boolean {
  for (let row = 0; row < count; row++) if (!Number.isFinite(values[row]!)) return false;
  return true;
}

function measure({ type }: Space, scores: Scores): SpaceReport {
  const values: Record<string, number | null> = {};
  const reasons: Record<string, string> = {};
  for (const metric of metrics) {
    if (metric.taskType !== type) continue;
    const value = scores.rows === 0 ? { reason: 'no rows' } : metric.compute(scores);
    values[metric.name] = typeof value === 'number' ? value : null;
    if (typeof value !== 'number') reasons[metric.name] = value.reason;
  }
  return {
    rows: scores.rows,
    ...(type === 'classification' ? { positives: sumOf(scores, 'labels') } : {}),
    ...values,
    ...(Object.keys(reasons).length > 0 ? { reasons } : {}),
  };
}
