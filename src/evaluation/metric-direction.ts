import type { Measuring } from './options.js';
import type { Output } from './outputs.js';

/** Direction of improvement per value of a report, by names as `ctcvr.auc`; values without a direction are absent. */
export type MetricDirections = ReadonlyMap<string, 'higher' | 'lower'>;

/** Collects the directions of all metrics of some outputs. */
export function collectDirections(outputs: readonly Output[], { metrics }: Measuring): MetricDirections {
  const listDirections = ({ name, type }: Output): (readonly [string, 'higher' | 'lower'])[] =>
    metrics
      .filter(({ taskType }) => taskType === type)
      .flatMap(({ values }) =>
        values.flatMap((value) => (value.goal === 'none' ? [] : [[`${name}.${value.name}`, value.goal] as const])),
      );
  return new Map(outputs.flatMap(listDirections));
}

/** Returns the output of a segment: `ctr` for `ctr[hour=13]`. */
export function getBaseOutput(output: string): string {
  const bracket = output.indexOf('[');
  return bracket < 0 ? output : output.slice(0, bracket);
}
