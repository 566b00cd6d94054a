import { z } from 'zod';
import type { ValidationIssue } from '../../core/component.js';

/** Number of grid points on a line. */
export const steps = z.int().min(2).max(1000).optional().describe('Grid points, ends included');

/** Checks that a range is not empty. */
export function* checkEnds({ low, high }: { readonly low: number; readonly high: number }): Generator<ValidationIssue> {
  if (low >= high) yield { path: ['high'], message: `expected a number above low (${low}), found ${high}` };
}
