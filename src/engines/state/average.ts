import type { Layout } from '../compile/layout.js';
import type { Image } from './image.js';

/** Writes the number of steps taken to the clock that the kernels of the average read. */
export function setClock(
  { average }: Pick<Layout, 'average'>,
  { doubles, wordAt }: Pick<Image, 'doubles' | 'wordAt'>,
  stepsTaken: number,
): void {
  if (average !== undefined) doubles.set([average.decay, stepsTaken], wordAt(average.clock) / 2);
}

/**
 * What is left, after `to` steps, more than `from`, of the distance that an average of `from` steps had from weights
 * that stayed the same; the same
 * bits as in kernels/average.ts.
 */
export function shareLeft(decay: number, from: number, to: number): number {
  return Math.fround((power(decay, to - from) * (1 - power(decay, from))) / (1 - power(decay, to)));
}

/** base^n by squaring, in the kernels' order: Math.pow may round otherwise. */
function power(base: number, n: number): number {
  let result = 1;
  for (; n > 0; n >>>= 1, base *= base) if ((n & 1) === 1) result *= base;
  return result;
}
