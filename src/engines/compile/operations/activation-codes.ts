import type { Activation } from '../../../graph/operations.js';

/** Codes of activations that have no parameters, in the order of activations.h of the kernels; 0 is none. */
export const ACTIVATION_CODES: Partial<Record<Activation, number>> = {
  relu: 1,
  'leaky-relu': 2,
  sigmoid: 3,
  tanh: 4,
  gelu: 5,
  swish: 6,
};

/** Returns whether the slope of an activation depends on the sign of its result alone. */
export function isSignSloped(activation: Activation): boolean {
  return activation === 'relu' || activation === 'leaky-relu';
}
