import type { z } from 'zod';
import type { Component } from '../core/component.js';
import type { Scores } from './scores.js';

/** Why a metric has no value on some rows. */
export interface NoValue {
  readonly reason: string;
}

/** One of the numbers that a metric gives. */
export interface MetricValue {
  /** What a report calls it, as in `gauc_groups`. */
  readonly name: string;
  /** Which way is better; `none` for a number that no epoch can be chosen by. */
  readonly goal: 'higher' | 'lower' | 'none';
}

/** A row of a table in a report: numbers by what they are, as a bin's rows, mean prediction and rate of positives. */
export type TableRow = Readonly<Record<string, number>>;

/** Numbers over the labels and predictions of one space's own rows. */
export interface Metric {
  readonly taskType: 'classification' | 'regression';
  /** What it gives, in the order of a report; the first is what the metric is known by. */
  readonly values: readonly [MetricValue, ...MetricValue[]];
  /** The column of the data whose cells group the rows, where it needs one. */
  readonly by?: string;
  /**
   * At least one row; neither their order nor their chunks change the numbers.
   * @returns a number a value, in their order; one reason stands for all
   */
  compute(scores: Scores): readonly (number | NoValue)[] | NoValue;
  /**
   * Standard error of the number that the metric is known by, as an estimate of that of all rows that there could be,
   * drawn one by one.
   * @param other of the same rows with other predictions: the error is then that of the difference of the two numbers
   */
  standardError?(scores: Scores, other?: Scores): number | NoValue;
  /** What stands in reports beside the numbers: bins. */
  tabulate?(scores: Scores): readonly TableRow[];
}

/** A metric of the registry. */
export interface MetricPart<Name extends string, Shape extends z.ZodRawShape> extends Component<
  Name,
  Shape,
  [],
  Metric
> {
  /** Whether it is measured where a config names no metrics. */
  readonly isDefault?: true;
}

/** Declares a metric; the identity, for the sake of its types. */
export function defineMetric<const Name extends string, Shape extends z.ZodRawShape>(
  metric: MetricPart<Name, Shape>,
): MetricPart<Name, Shape> {
  return metric;
}

/** A metric of one number that is better one way. */
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

/** The number that a metric is known by, on some rows; null where it has none. */
export function mainValue({ compute }: Metric, scores: Scores): number | null {
  const found = scores.rows === 0 ? undefined : compute(scores);
  const [value] = found === undefined || !Array.isArray(found) ? [] : (found as readonly (number | NoValue)[]);
  return typeof value === 'number' ? value : null;
}
