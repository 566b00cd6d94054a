import type { Observation } from './searches/search.js';
import type { StudyFacts } from './study.js';
import type { Trial } from './trial.js';

/** Converts a trial for a search. */
export function toObservation({ point, rungs, result }: Trial, goal: StudyFacts['goal']): Observation {
  const rung = result?.end === 'stopped' ? rungs.length - 1 : Infinity;
  return {
    point,
    cost: result === undefined ? undefined : result.value === null ? null : toCost(result.value, goal),
    rung,
  };
}

/** Converts a metric value to a cost, of which lower is better. */
export function toCost(value: number, goal: StudyFacts['goal']): number {
  return goal === 'higher' ? -value : value;
}
