import { operandsOf, type Graph } from './graph.js';
import type { Parameter, Value } from './operations.js';

/**
 * Names of the parameters that have learned what the columns of the looked-up features are: those of the layers that read them,
 * and of whatever stands before these. With other columns they mean nothing.
 */
export function featureReaders(graph: Graph): ReadonlySet<string> {
  const readers = new Set<string>();
  /** Values whose columns are those of features still. */
  const isOfFeatures = new Set<Value>();
  for (const value of graph.values) {
    const isInput = value.op === 'input' && value.source.kind === 'features';
    if (!isInput && !operandsOf(value).some((operand) => isOfFeatures.has(operand))) continue;
    for (const { name } of parametersIn(value)) readers.add(name);
    // Behind a layer, columns are its own.
    if (value.op !== 'linear') isOfFeatures.add(value);
  }
  return readers;
}

/** The parameters of an operation, also those that nothing trains; what it reads are values, which have none of their own here. */
function parametersIn(held: object): readonly Parameter[] {
  return Object.values(held).flatMap((each: unknown): readonly Parameter[] => {
    if (typeof each !== 'object' || each === null || 'op' in each || Array.isArray(each)) return [];
    return 'isTrainable' in each ? [each as Parameter] : parametersIn(each);
  });
}
