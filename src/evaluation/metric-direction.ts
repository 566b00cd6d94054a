import type { Measuring } from './options.js';
import type { Output } from './outputs.js';

/**
 * Which way numbers of a report are better, by names as `ctcvr.auc`; those that no epoch can be chosen by are not
 * there.
 */
export type MetricDirections = ReadonlyMap<string, 'higher' | 'lower'>;

/** The goals of all that is measured of some spaces. */
export function collectDirections(spaces: readonly Output[], { metrics }: Measuring): MetricDirections {
  const ofSpace = ({ name, type }: Output): (readonly [string, 'higher' | 'lower'])[] =>
    metrics
      .filter(({ taskType }) => taskType === type)
      .flatMap(({ values }) =>
        values.flatMap((value) => (value.goal === 'none' ? [] : [[`${name}.${value.name}`, value.goal] as const])),
      );
  return new Map(spaces.flatMap(ofSpace));
}

/** The space that a segment is of: `ctr` of `ctr[hour=13]`. */
export function getBaseOutput(space: string): string {
  const bracket = space.indexOf('[');
  return bracket < 0 ? space : space.slice(0, bracket);
}
