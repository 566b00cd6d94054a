import { listOperands } from './graph.js';
import { parametersIn } from './parameters-in.js';
import type { Value } from './operations.js';

/** Names of the parameters of the last layers before a value: those that have learned in which units it is. */
export function lastLayers(value: Value): ReadonlySet<string> {
  const names = new Set<string>();
  const seen = new Set<Value>();
  const visit = (each: Value): void => {
    if (seen.has(each)) return;
    seen.add(each);
    const own = parametersIn(each);
    for (const { name } of own) names.add(name);
    if (own.length === 0) listOperands(each).forEach(visit);
  };
  visit(value);
  return names;
}
