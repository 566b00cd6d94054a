import type { z } from 'zod';
import type { Component } from '../core/component.js';
import type { Scores } from './scores.js';

/** The reason why a metric is undefined on some rows. */
export interface NoValue {
  readonly reason: string;
}

/** A value of a metric. */
export interface MetricValue {
  /** Name in reports, as `gauc_groups`. */
  readonly name: string;
  /** Direction of improvement; `none` if no epoch can be selected by it. */
  readonly goal: 'higher' | 'lower' | 'none';
}

/** A row of a table in a report, such as a bin's rows, mean prediction and positive rate. */
export type TableRow = Readonly<Record<string, number>>;

/** A function of the labels and predictions of one output. */
export interface Metric {
  readonly taskType: 'classification' | 'regression';
  /** In report order; the first is the metric's main value. */
  readonly values: readonly [MetricValue, ...MetricValue[]];
  /** Group column, if it requires one. */
  readonly by?: string;
  /**
   * Computes the values from at least one row; the result does not depend on row order or chunks.
   * @returns a number per value, in order; a single reason applies to all values
   */
  compute(scores: Scores): readonly (number | NoValue)[] | NoValue;
  /**
   * Computes the standard error of the main value, for rows sampled independently.
   * @param other the same rows with other predictions: the result is then the standard error of the difference
   */
  standardError?(scores: Scores, other?: Scores): number | NoValue;
  /** Computes a table for reports: bins. */
  tabulate?(scores: Scores): readonly TableRow[];
}

export interface MetricPart<Name extends string, Shape extends z.ZodRawShape> extends Component<
  Name,
  Shape,
  [],
  Metric
> {
  /** Whether it is measured by default. */
  readonly isDefault?: true;
}

/** Declares a metric; the identity function, for type inference. */
export function defineMetric<const Name extends string, Shape extends z.ZodRawShape>(
  metric: MetricPart<Name, Shape>,
): MetricPart<Name, Shape> {
  return metric;
}

/** Creates a metric with a single value. */
export function singleMetric(
  name: string,
  taskType: Metric['taskType'],
  goal: MetricValue['goal'],
  compute: (scores: Scores) => number | NoValue,
  standardError?: Metric['standardError'],
): Metric {
  const computed = (scores: Scores): readonly (number | NoValue)[] => [compute(scores)];
  return {
    taskType,
    values: [{ name, goal }],
    compute: computed,
    ...(standardError !== undefined && { standardError }),
  };
}

/** Computes the main value of a metric; null if it is undefined. */
export function mainValue({ compute }: Metric, scores: Scores): number | null {
  const result = scores.rows === 0 ? undefined : compute(scores);
  const [value] = result === undefined || !Array.isArray(result) ? [] : (result as readonly (number | NoValue)[]);
  return typeof value === 'number' ? value : null;
}
