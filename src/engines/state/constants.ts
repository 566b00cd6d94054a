import type { Optimizer } from '../../optimizers/optimizer.js';
import { optimizers } from '../../optimizers/optimizers.js';
import type { RateFactors } from '../engine.js';
import { setClock } from '../compile/average.js';
import { WORD } from '../compile/arena.js';
import type { Laid } from '../compile/layout.js';

/** Writes the constants of a step, counted from 1, to where the kernels of rules and average read them. */
export function createConstantsWriter(laid: Laid, floats: Float32Array): (step: number, factors: RateFactors) => void {
  const {
    plan: { optimizers: specs, step: stepPlan },
    constants,
  } = laid;
  const rules = [
    { optimizer: optimizers.build(specs.dense), at: constants.dense / WORD, side: 'dense' },
    { optimizer: optimizers.build(specs.embeddings), at: constants.tables / WORD, side: 'embeddings' },
    ...(specs.wide === undefined
      ? []
      : [{ optimizer: optimizers.build(specs.wide), at: constants.wide / WORD, side: 'embeddings' } as const]),
  ] as const;
  const limit = stepPlan?.clip?.value ?? Infinity;
  return (step, factors) => {
    setClock(laid, floats, step - 1);
    for (const { optimizer, at, side } of rules) floats.set(constantsOf(optimizer, step, factors[side], limit), at);
  };
}

/** What all rules take from the first words (the gradient's scale, λ₁, λ₂, its limit), then the rule's own. */
function constantsOf(optimizer: Optimizer, step: number, factor: number, limit: number): readonly number[] {
  const {
    penalties: { l1, l2 },
    learningRate,
  } = optimizer;
  return [1, l1, l2, limit, ...optimizer.constants(step, learningRate * factor)];
}
