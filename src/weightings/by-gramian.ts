import type { z } from 'zod';
import { gramianState } from './state.js';
import type { Observation, Weighting } from './weighting.js';

/**
 * Creates a weighting that depends on the current step only.
 * @param computeWeights computes the weights from the config's weights and the losses and Gramian of the step
 */
export function byGramian(
  computeWeights: (configWeights: readonly number[], observation: Observation) => number[],
): Weighting<z.output<typeof gramianState>> {
  return {
    needs: 'gramian',
    stateVersion: 1,
    stateSchema: gramianState,
    first: (weights) => ({ configWeights: [...weights], weights: [...weights] }),
    observe: (state, observation) => ({ ...state, weights: computeWeights(state.configWeights, observation) }),
    weights: ({ weights }) => weights,
  };
}
