import type { Items } from './column.js';

/** Formats a list as JSON: `["a","b"]`, or `[["a",0.5],["b",1]]` if a weight is not 1. */
export function itemsJson({ ids, weights, begin, end }: Items): string {
  const items = ids.slice(begin, end);
  const hasWeights = items.some((_, i) => weights[begin + i] !== 1);
  return JSON.stringify(hasWeights ? items.map((id, i) => [id, weights[begin + i]]) : items);
}
