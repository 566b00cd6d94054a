import type { Sample } from './method.js';

/**
 * Returns the stream of fake negatives (Ktena et al. 2019, https://arxiv.org/abs/1907.06558): each row is a
 * negative at the click, and again a positive if it converts.
 */
export function fakeNegatives(delayMs: number | undefined): readonly Sample[] {
  const negative: Sample = { afterMs: 0, label: 0, values: [] };
  return delayMs === undefined ? [negative] : [negative, { afterMs: delayMs, label: 1, values: [] }];
}
