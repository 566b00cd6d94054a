import { z } from 'zod';
import { commonState } from './state.js';
import { defineWeighting } from './weighting.js';

const stateSchema = z.strictObject(commonState);

/** Constant weights from the config. */
export const fixed = defineWeighting({
  name: 'fixed',
  summary: 'fixed task weights',
  options: () => ({}),
  build: () => ({
    needs: 'losses',
    isConstant: true,
    stateVersion: 1,
    stateSchema,
    first: (weights) => ({ configWeights: [...weights] }),
    observe: (state) => state,
    weights: (state) => state.configWeights,
  }),
});
