import type { Scores } from './scores.js';

/** Why a metric has no value on some rows. */
export interface NoValue {
  readonly reason: string;
}

/** A number over the labels and predictions of one task's own rows. */
export interface Metric {
  readonly name: string;
  readonly taskType: 'classification' | 'regression';
  /** Which way is better; `none` for a metric that no epoch can be chosen by. */
  readonly goal: 'higher' | 'lower' | 'none';
  /** At least one row; neither their order nor their chunks change the value. */
  compute(scores: Scores): number | NoValue;
}

/** Declares a metric; the identity, for the sake of its types. */
export function defineMetric<const M extends Metric>(metric: M): M {
  return metric;
}
