import { didYouMean, joined, quoted, userError } from '../core/errors.js';
import type { Drops, Unit } from './permutation-importance.js';
import type { Interval } from './interval.js';
import type { Measure } from './measures.js';

/** What a model owes to a field or a group. */
export interface Importance {
  readonly name: string;
  /** Columns of the model's input that were permuted together. */
  readonly fields: readonly string[];
  /** By measure: how much worse it is without. */
  readonly drops: Readonly<Record<string, Interval | null>>;
}

/**
 * The measure that decides which field counts more.
 * @param rank a space; where it is left out, that of the monitor decides, else the last: a product down the funnel
 * stands behind its parts
 * @throws UserError (usage) for a space that is none
 */
export function decidingMeasure(measures: readonly Measure[], rank: string | undefined, monitor: string): Measure {
  const names = [...new Set(measures.map(({ space }) => space.name))];
  if (rank !== undefined && !names.includes(rank)) {
    throw userError('usage', {
      where: '--rank-by',
      message: joined(`expected one of ${names.join(', ')}, found ${quoted(rank)}`, didYouMean(rank, names)),
    });
  }
  const [monitored] = monitor.split('.');
  const name = rank ?? (names.includes(monitored!) ? monitored : names.at(-1));
  return measures.find(({ space }) => space.name === name)!;
}

/** The units, the one that counts most first; of equal ones, the first in the config. */
export function rankedUnits(
  units: readonly Unit[],
  { byUnit }: Drops,
  measures: readonly Measure[],
  deciding: Measure,
): readonly Importance[] {
  const at = measures.indexOf(deciding);
  const meanOf = ({ name }: Unit): number => byUnit.get(name)![at]?.mean ?? -Infinity;
  // Sorting keeps the order of equal ones.
  return [...units]
    .sort((a, b) => (meanOf(a) === meanOf(b) ? 0 : meanOf(b) - meanOf(a)))
    .map(({ name, fields }) => ({
      name,
      fields,
      drops: Object.fromEntries(measures.map((measure, m) => [measure.name, byUnit.get(name)![m] ?? null])),
    }));
}
