import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/operations.js';
import type { ScaleStep } from '../core/scaling.js';

/** A label, `[B, 1]`, as a loss is to see it: scaled step by step. */
export function scaleLabels(g: GraphBuilder, label: Value, steps: readonly ScaleStep[] = []): Value {
  return steps.reduce<Value>(
    (value, step) =>
      step.kind === 'log1p' ? g.map(value, 'log1p') : g.affine(value, 1 / step.divide, -step.subtract / step.divide),
    label,
  );
}

/** What is predicted of such a label, in the label's own units: the steps back, the last first. */
export function unscalePredictions(g: GraphBuilder, prediction: Value, steps: readonly ScaleStep[] = []): Value {
  return steps
    .toReversed()
    .reduce<Value>(
      (value, step) => (step.kind === 'log1p' ? g.map(value, 'expm1') : g.affine(value, step.divide, step.subtract)),
      prediction,
    );
}
