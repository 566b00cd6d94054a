import { describeOperation } from './descriptors.js';
import { listOperands, type Graph } from './graph.js';
import { isLookedUp } from './lookups.js';
import type { Value } from './operations.js';
import { parametersIn } from './parameters-in.js';

/** Returns the operands that have the columns of a value. */
function listColumns(value: Value): readonly Value[] {
  return value.op === 'segmentPool' || value.op === 'gatherItems' ? [value.x] : listCombined(value);
}

/**
 * Returns the names of the parameters whose meaning depends on the order of the looked-up feature columns: the
 * parameters of the first layers after the input, and of whatever produces a factor for feature columns. They are
 * invalid for other columns. Slices and elementwise operations before the first layer still have feature columns.
 */
export function featureReaders(graph: Graph): ReadonlySet<string> {
  const readers = new Set<string>();
  /** Values whose columns are still feature columns. */
  const isOfFeatures = new Set<Value>();
  const readFor = (value: Value): void => {
    for (const { name } of parametersIn(value)) readers.add(name);
    // After a layer, columns are the layer's own.
    if (value.op !== 'linear') isOfFeatures.add(value);
  };
  const { featureWidth = Infinity } = graph;
  for (const value of graph.values) {
    const isInput = value.op === 'input' && value.source.kind !== 'label';
    // Columns of the wide part belong to tasks, not to features.
    if (value.op === 'slice' && isLookedUp(value.x) && value.begin >= featureWidth) continue;
    if (isInput || listCombined(value).some((operand) => isOfFeatures.has(operand))) readFor(value);
  }
  // An operand that is combined elementwise with feature columns has feature columns too; follow it back to the layer
  // that produced it.
  for (const value of graph.values.toReversed()) {
    if (!isOfFeatures.has(value) || describeOperation(value.op).columns !== 'same') continue;
    for (const operand of listColumns(value)) {
      if (isOfFeatures.has(operand)) continue;
      isOfFeatures.add(operand);
      for (const { name } of parametersIn(operand)) readers.add(name);
    }
  }
  return readers;
}

/** Returns the operands of a value, without ages, which are no columns of it. */
function listCombined(value: Value): readonly Value[] {
  const ages = value.op === 'segmentAttention' ? value.ages : undefined;
  return listOperands(value).filter((operand) => operand !== ages);
}
