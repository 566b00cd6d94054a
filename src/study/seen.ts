import type { SeenTrial } from './searches/search.js';
import type { StudyFacts } from './study.js';
import type { Trial } from './trial.js';

/** A trial as a search sees it: its value turned so that lower is better. */
export function seenBy({ point, result }: Trial, goal: StudyFacts['goal']): SeenTrial {
  if (result === undefined) return { point, cost: undefined };
  return { point, cost: result.value === null ? null : goal === 'higher' ? -result.value : result.value };
}
