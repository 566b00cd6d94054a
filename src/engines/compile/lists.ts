/**
 * The lists of a program:
 * - `train` is a whole step of one pass, and `inspect` its losses and gradients without an update;
 * - `pass` is one pass of a step of several, `products` compares the gradients of terms, `update` applies them;
 * - `diagnosis` computes a gradient per term, and `tensorProducts` compares them by tensor;
 * - `losses` computes losses as in training; `predict` and `evaluate` are in evaluation mode, without and with losses;
 * - `exchange` swaps weights and their average.
 */
export const LIST_NAMES = [
  'train',
  'inspect',
  'pass',
  'products',
  'update',
  'diagnosis',
  'tensorProducts',
  'losses',
  'predict',
  'evaluate',
  'exchange',
] as const;
export type ListName = (typeof LIST_NAMES)[number];
