import { defineDelay } from './method.js';

/** Waits for the whole window, after which every label is final: unbiased, but the model is as old as the window. */
export const wait = defineDelay({
  name: 'wait',
  summary: 'final label after the whole window: unbiased, but late',
  options: () => ({}),

  build: (_, windowMs) => ({
    columns: [],
    settled: [],
    outputs: 1,
    samples: (delayMs) => [{ afterMs: windowMs, label: delayMs === undefined ? 0 : 1, values: [] }],
    rows: (g, logit, label) => g.crossEntropy(logit, label),
  }),
});
