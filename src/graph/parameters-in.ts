import type { Parameter } from './operations.js';

/**
 * Returns the parameters of an operation, including running statistics. Parameters of its operands are not included.
 */
export function parametersIn(operation: object): readonly Parameter[] {
  return Object.values(operation).flatMap((each: unknown): readonly Parameter[] => {
    if (typeof each !== 'object' || each === null || 'op' in each || Array.isArray(each)) return [];
    return 'isTrainable' in each ? [each as Parameter] : parametersIn(each);
  });
}
