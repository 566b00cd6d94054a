import type { ListedTrial } from './leaderboard.js';
import { toCost } from './observation.js';
import type { StudyFacts } from './study.js';

/** Two validation metrics, such as `ctr.auc`. */
export type MetricPair = readonly [string, string];

/** A trial with its values of both metrics. */
export interface ParetoTrial {
  readonly trial: ListedTrial;
  readonly values: readonly [number, number];
}

/** Splits trials with both metrics into the Pareto front, sorted by the first metric, and the dominated ones. */
export function paretoFront(
  trials: readonly ListedTrial[],
  metrics: MetricPair,
  goals: StudyFacts['goals'],
): { readonly front: readonly ParetoTrial[]; readonly others: readonly ParetoTrial[] } {
  const candidates = trials.flatMap((trial): readonly ParetoTrial[] => {
    const [a, b] = metrics.map((metric) => trial.metrics[`valid.${metric}`]);
    return a === undefined || b === undefined ? [] : [{ trial, values: [a, b] }];
  });
  const computeCosts = ({ values }: ParetoTrial): readonly number[] =>
    values.map((value, i) => toCost(value, goals[metrics[i]!]!));
  const isDominated = (candidate: ParetoTrial): boolean => {
    const [a, b] = computeCosts(candidate);
    return candidates.some((other) => {
      const [x, y] = computeCosts(other);
      return x! <= a! && y! <= b! && (x! < a! || y! < b!);
    });
  };
  const front = candidates
    .filter((candidate) => !isDominated(candidate))
    .sort((a, b) => computeCosts(a)[0]! - computeCosts(b)[0]!);
  return { front, others: candidates.filter((candidate) => !front.includes(candidate)) };
}

/** Selects the default metrics of the Pareto front: the optimized metric, for the first two outputs that have it. */
export function selectMetricPair({
  options: { metric },
  goals,
}: Pick<StudyFacts, 'options' | 'goals'>): MetricPair | undefined {
  const last = metric.split('.').at(-1)!;
  const names = Object.keys(goals).filter((name) => name.endsWith(`.${last}`));
  return names[1] === undefined ? undefined : [names[0]!, names[1]];
}
