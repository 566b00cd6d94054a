import { listOperands, type Graph } from './graph.js';
import type { OperationName, Value } from './operations.js';
import { parametersIn } from './parameters-in.js';

/** Operations that make each column of the same column of what they take. */
const BY_COLUMNS: ReadonlySet<OperationName> = new Set<OperationName>([
  'multiply',
  'add',
  'affine',
  'map',
  'activation',
  'batchNorm',
  'dropout',
  'clip',
  'reciprocal',
  'stopGradient',
]);

/**
 * Names of the parameters that have learned what the columns of the looked-up features are: those of the layers that
 * read them, and
 * of whatever stands before these, as a layer that makes a factor for each of these columns. With other columns they
 * mean nothing.
 * Columns are those of features on every way from the input, through slices and whatever else a model picks fields
 * with, to the
 * first layer.
 */
export function featureReaders(graph: Graph): ReadonlySet<string> {
  const readers = new Set<string>();
  /** Values whose columns are those of features still. */
  const isOfFeatures = new Set<Value>();
  const readFor = (value: Value): void => {
    for (const { name } of parametersIn(value)) readers.add(name);
    // Behind a layer, columns are its own.
    if (value.op !== 'linear') isOfFeatures.add(value);
  };
  const { featureWidth = Infinity } = graph;
  for (const value of graph.values) {
    const isInput = value.op === 'input' && value.source.kind === 'features';
    // What is looked up for the wide part is of tasks, whichever features it is added up over.
    if (value.op === 'slice' && value.x.op === 'input' && value.begin >= featureWidth) continue;
    if (isInput || listOperands(value).some((operand) => isOfFeatures.has(operand))) readFor(value);
  }
  // What is laid on columns of features has their columns too, and so has what that is made of, back to the layer that
  // made it.
  for (const value of graph.values.toReversed()) {
    if (!isOfFeatures.has(value) || !BY_COLUMNS.has(value.op)) continue;
    for (const operand of listOperands(value)) {
      if (isOfFeatures.has(operand)) continue;
      isOfFeatures.add(operand);
      for (const { name } of parametersIn(operand)) readers.add(name);
    }
  }
  return readers;
}
