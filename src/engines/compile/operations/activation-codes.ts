import { isParametric, type Activation } from '../../../graph/operations.js';
import { assignCodes, SCALAR_ACTIVATIONS } from '../../../graph/scalar-functions.js';

/** Codes of activations that have no parameters; 0 is none. */
export const ACTIVATION_CODES: Partial<Record<Activation, number>> = assignCodes(SCALAR_ACTIVATIONS);

/** Returns whether the slope of an activation depends on the sign of its result alone. */
export function isSignSloped(activation: Activation): boolean {
  return !isParametric(activation) && 'below' in SCALAR_ACTIVATIONS[activation].slope;
}
