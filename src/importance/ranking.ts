import { didYouMean, joined, quoted, userError } from '../core/errors.js';
import type { Drops, Unit } from './permutation-importance.js';
import type { Interval } from './interval.js';
import type { Measure } from './measures.js';

/** Importance of a field or group. */
export interface Importance {
  readonly name: string;
  /** Input columns permuted together. */
  readonly fields: readonly string[];
  /** Drop by measure; null if undefined. */
  readonly drops: Readonly<Record<string, Interval | null>>;
}

/**
 * Selects the measure that ranks fields.
 * @param rank output name; default: the output of the monitor, or else the last one, which is the end of a funnel
 * @throws UserError (usage) if the output is unknown
 */
export function selectMeasure(measures: readonly Measure[], rank: string | undefined, monitor: string): Measure {
  const names = [...new Set(measures.map(({ output }) => output.name))];
  if (rank !== undefined && !names.includes(rank)) {
    throw userError('usage', {
      where: '--rank-by',
      message: joined(`expected one of ${names.join(', ')}, found ${quoted(rank)}`, didYouMean(rank, names)),
    });
  }
  const [monitored] = monitor.split('.');
  const name = rank ?? (names.includes(monitored!) ? monitored : names.at(-1));
  return measures.find(({ output }) => output.name === name)!;
}

/** Ranks units by a measure, most important first; ties keep the order of the config. */
export function rankUnits(
  units: readonly Unit[],
  { byUnit }: Drops,
  measures: readonly Measure[],
  deciding: Measure,
): readonly Importance[] {
  const index = measures.indexOf(deciding);
  const getMean = ({ name }: Unit): number => byUnit.get(name)![index]?.mean ?? -Infinity;
  // Sorting is stable.
  return [...units]
    .sort((a, b) => (getMean(a) === getMean(b) ? 0 : getMean(b) - getMean(a)))
    .map(({ name, fields }) => ({
      name,
      fields,
      drops: Object.fromEntries(measures.map((measure, m) => [measure.name, byUnit.get(name)![m] ?? null])),
    }));
}
