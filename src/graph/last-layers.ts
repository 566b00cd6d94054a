import { listOperands } from './graph.js';
import { parametersIn } from './parameters-in.js';
import type { Value } from './operations.js';

/** Returns the names of the parameters of the last layers before a value, which determine its units. */
export function lastLayers(value: Value): ReadonlySet<string> {
  const names = new Set<string>();
  const visited = new Set<Value>();
  const visit = (each: Value): void => {
    if (visited.has(each)) return;
    visited.add(each);
    const parameters = parametersIn(each);
    for (const { name } of parameters) names.add(name);
    if (parameters.length === 0) listOperands(each).forEach(visit);
  };
  visit(value);
  return names;
}
