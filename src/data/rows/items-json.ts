import type { Items } from '../../chunks/column.js';

/**
 * A bag as JSON, whatever its items hold: `["a","b"]`, or `[["a",0.5],["b",1]]` where they weigh something else than 1.
 */
export function itemsJson({ ids, weights, begin, end }: Items): string {
  const items = ids.slice(begin, end);
  const hasWeights = items.some((_, i) => weights[begin + i] !== 1);
  return JSON.stringify(hasWeights ? items.map((id, i) => [id, weights[begin + i]]) : items);
}
