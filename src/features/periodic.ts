import { z } from 'zod';
import { embeddingWidth } from './embedded.js';
import { defineFieldGroup } from './field-group.js';
import { checkScaledNumber, indicatorFields, numberField, scaledNumberOptions } from './numeric.js';

/**
 * Numbers as embeddings of sines and cosines with trained frequencies and a linear layer with ReLU per field: "PLR" of
 * Gorishniy et al. 2022 (https://arxiv.org/abs/2203.05556, section 3.3). The encoded value is the scaled number; the
 * model computes the embedding. The field has its own name, such as D508_periodic, so that the number can be a feature
 * too.
 */
export const periodic = defineFieldGroup({
  name: 'periodic',
  summary: 'number per row, embedded by sines and cosines of trained frequencies',
  options: () => ({
    width: embeddingWidth,
    frequencies: z.int().min(1).max(4096).default(16).describe('Number of trained frequencies'),
    sigma: z
      .number()
      .positive()
      .default(0.1)
      .describe('Standard deviation of initial frequencies, in periods per unit of the scaled number'),
    ...scaledNumberOptions('standard'),
  }),
  check: checkScaledNumber,

  build(column, { width, frequencies, sigma, ...options }) {
    const name = `${column}_periodic`;
    const composition = { kind: 'fourier', width, numFrequencies: frequencies, sigma } as const;
    return [
      { ...numberField(column, options), name, owner: name, kind: 'number', composition },
      ...indicatorFields(column, options),
    ];
  },
});
