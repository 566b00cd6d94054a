import type { Parameter } from './operations.js';

/**
 * The parameters of an operation, also those that nothing trains; what it reads are values, which have none of their
 * own here.
 */
export function parametersIn(held: object): readonly Parameter[] {
  return Object.values(held).flatMap((each: unknown): readonly Parameter[] => {
    if (typeof each !== 'object' || each === null || 'op' in each || Array.isArray(each)) return [];
    return 'isTrainable' in each ? [each as Parameter] : parametersIn(each);
  });
}
