import type { Optimizer } from '../../optimizers/optimizer.js';
import { optimizers } from '../../optimizers/optimizers.js';
import { WORD } from './arena.js';
import type { Laid } from './compile.js';

/** Factors of the learning rates in a step. */
export interface RateFactors {
  readonly dense: number;
  readonly embeddings: number;
}

/** Writes the constants of a step, counted from 1, to where the rules' kernels read them. */
export function createConstantsWriter({ optimizers: specs, constants }: Laid, floats: Float32Array): (step: number, factors: RateFactors) => void {
  const rules = [
    { optimizer: optimizers.build(specs.dense), at: constants.dense / WORD, side: 'dense' },
    { optimizer: optimizers.build(specs.embeddings), at: constants.tables / WORD, side: 'embeddings' },
  ] as const;
  return (step, factors) => {
    for (const { optimizer, at, side } of rules) floats.set(constantsOf(optimizer, step, factors[side]), at);
  };
}

/** What all rules take from the first words (the gradient's scale, λ₁, λ₂), then the rule's own. */
function constantsOf(optimizer: Optimizer, step: number, factor: number): readonly number[] {
  const { penalties: { l1, l2 }, learningRate } = optimizer;
  return [1, l1, l2, 0, ...optimizer.constants(step, learningRate * factor)];
}
