import type { ListedTrial } from './leaderboard.js';
import { toCost } from './observation.js';
import type { StudyFacts } from './study.js';

/** Two validation metrics, such as `ctr.auc`. */
export type MetricPair = readonly [string, string];

/** A trial with its values of both metrics. */
export interface Weighed {
  readonly trial: ListedTrial;
  readonly values: readonly [number, number];
}

/** Splits trials with both metrics into the Pareto front, sorted by the first metric, and the dominated ones. */
export function paretoFront(
  trials: readonly ListedTrial[],
  metrics: MetricPair,
  goals: StudyFacts['goals'],
): { readonly front: readonly Weighed[]; readonly others: readonly Weighed[] } {
  const weighed = trials.flatMap((trial): readonly Weighed[] => {
    const [a, b] = metrics.map((metric) => trial.metrics[`valid.${metric}`]);
    return a === undefined || b === undefined ? [] : [{ trial, values: [a, b] }];
  });
  const costs = ({ values }: Weighed): readonly number[] =>
    values.map((value, i) => toCost(value, goals[metrics[i]!]!));
  const isBeaten = (one: Weighed): boolean => {
    const [a, b] = costs(one);
    return weighed.some((other) => {
      const [x, y] = costs(other);
      return x! <= a! && y! <= b! && (x! < a! || y! < b!);
    });
  };
  const front = weighed.filter((one) => !isBeaten(one)).sort((a, b) => costs(a)[0]! - costs(b)[0]!);
  return { front, others: weighed.filter((one) => !front.includes(one)) };
}

/** Selects the default metrics of the Pareto front: the optimized metric, for the first two outputs that have it. */
export function pairOf({ options: { metric }, goals }: Pick<StudyFacts, 'options' | 'goals'>): MetricPair | undefined {
  const last = metric.split('.').at(-1)!;
  const names = Object.keys(goals).filter((name) => name.endsWith(`.${last}`));
  return names[1] === undefined ? undefined : [names[0]!, names[1]];
}
