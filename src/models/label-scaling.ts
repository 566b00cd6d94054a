import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/operations.js';
import type { InvertibleStep } from '../core/scaling.js';

/** Scales a label, `[B, 1]`, for its loss. */
export function scaleLabels(g: GraphBuilder, label: Value, steps: readonly InvertibleStep[] = []): Value {
  return steps.reduce<Value>(
    (value, step) =>
      step.kind === 'log1p' ? g.map(value, 'log1p') : g.affine(value, 1 / step.divide, -step.subtract / step.divide),
    label,
  );
}

/** Converts a prediction of a scaled label to the label's units: inverts the steps in reverse order. */
export function unscalePredictions(g: GraphBuilder, prediction: Value, steps: readonly InvertibleStep[] = []): Value {
  return steps
    .toReversed()
    .reduce<Value>(
      (value, step) => (step.kind === 'log1p' ? g.map(value, 'expm1') : g.affine(value, step.divide, step.subtract)),
      prediction,
    );
}
