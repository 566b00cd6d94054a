import type { Layout } from '../compile/layout.js';
import type { Image } from './image.js';

/** Writes the number of steps taken, which the kernels of the EMA read. */
export function setClock(
  { average }: Pick<Layout, 'average'>,
  { doubles, wordAt }: Pick<Image, 'doubles' | 'wordAt'>,
  stepsTaken: number,
): void {
  if (average !== undefined) doubles.set([average.decay, stepsTaken], wordAt(average.clock) / 2);
}

/**
 * Computes the factor by which the distance of an EMA from constant weights shrinks between step `from` and a later
 * step `to`. Bitwise identical to kernels/average.c.
 */
export function shareLeft(decay: number, from: number, to: number): number {
  return Math.fround((power(decay, to - from) * (1 - power(decay, from))) / (1 - power(decay, to)));
}

/** Computes base^n by squaring, in the kernels' order: Math.pow may round differently. */
function power(base: number, n: number): number {
  let result = 1;
  for (; n > 0; n >>>= 1, base *= base) if ((n & 1) === 1) result *= base;
  return result;
}
