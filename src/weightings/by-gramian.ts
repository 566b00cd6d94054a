import type { z } from 'zod';
import { gramianState } from './state.js';
import type { Seen, Weighting } from './weighting.js';

/**
 * A weighting that follows from what a step shows alone.
 * @param weightsOf the weights, from those that the config gives the terms, and the losses and Gramian of the step
 */
export function byGramian(
  weightsOf: (configWeights: readonly number[], seen: Seen) => number[],
): Weighting<z.output<typeof gramianState>> {
  return {
    needs: 'gramian',
    stateVersion: 1,
    stateSchema: gramianState,
    first: (weights) => ({ configWeights: [...weights], weights: [...weights] }),
    observe: (state, seen) => ({ ...state, weights: weightsOf(state.configWeights, seen) }),
    weights: ({ weights }) => weights,
  };
}
