import type { Optimizer } from '../../optimizers/optimizer.js';
import { optimizers } from '../../optimizers/optimizers.js';
import type { RateFactors } from '../engine.js';
import type { Layout } from '../compile/layout.js';
import { setClock } from './average.js';
import type { Image } from './image.js';

/**
 * Creates a function that writes the constants of a step, counted from 1, to where the kernels of rules and EMA read
 * them.
 */
export function createConstantsWriter(
  layout: Layout,
  image: Omit<Image, 'rowsOf'>,
): (step: number, factors: RateFactors) => void {
  const {
    plan: { optimizers: specs, step: stepPlan },
    constants,
  } = layout;
  const rules = [
    { optimizer: optimizers.build(specs.dense), at: image.wordAt(constants.dense), side: 'dense' },
    { optimizer: optimizers.build(specs.embeddings), at: image.wordAt(constants.tables), side: 'embeddings' },
    ...(specs.wide === undefined
      ? []
      : [{ optimizer: optimizers.build(specs.wide), at: image.wordAt(constants.wide), side: 'embeddings' } as const]),
  ] as const;
  const limit = stepPlan?.clip?.value ?? Infinity;
  return (step, factors) => {
    setClock(layout, image, step - 1);
    for (const { optimizer, at, side } of rules)
      image.floats.set(constantsOf(optimizer, step, factors[side], limit), at);
  };
}

/** Returns the constants that all rules share (the gradient's scale, λ₁, λ₂, its limit), then the rule's own. */
function constantsOf(optimizer: Optimizer, step: number, factor: number, limit: number): readonly number[] {
  const {
    penalties: { l1, l2 },
    learningRate,
  } = optimizer;
  return [1, l1, l2, limit, ...optimizer.constants(step, learningRate * factor)];
}
