import { check, checkItems, checkWidths } from './checks.js';
import type { Operations, Value } from './operations.js';

/** Settings of an attention between items. */
export interface AttentionOptions {
  readonly heads: number;
  /** Items attend to no later ones. */
  readonly isCausal: boolean;
}

/** Settings of a pointwise attention; default: no bias. */
export interface PointwiseOptions extends AttentionOptions {
  /** Distances from 0 with a bias; larger ones count as the last. */
  readonly distances?: number;
  /** Octaves of the difference of ages with a bias; larger ones count as the last. */
  readonly octaves?: number;
  /** Ages of the items (width 1), if there are octaves. */
  readonly ages?: Value | undefined;
}

/** Largest octave of a float, and one more. */
const MAX_OCTAVES = 128;

/** Checks the operands of an attention: the same width, of heads of equal width. */
export function checkAttention(query: Value, key: Value, value: Value, { heads }: AttentionOptions): void {
  checkItems('segmentAttention', query);
  for (const { width } of [key, value]) checkWidths('segmentAttention', width, query.width);
  const isDivided = Number.isInteger(heads) && heads > 0 && query.width % heads === 0;
  check(isDivided, `segmentAttention: ${heads} heads of width ${query.width}`);
}

/** Attributes of a bias without its parameter, and the number of elements of that; 0 for none. */
export function layOutBias({ isCausal, distances = 0, octaves = 0, ages }: PointwiseOptions): {
  readonly attributes: Pick<Operations['segmentAttention'], 'distances' | 'octaves' | 'ages'>;
  readonly count: number;
} {
  check(Number.isInteger(distances) && distances >= 0, `pointwiseAttention: ${distances} distances`);
  check(Number.isInteger(octaves) && octaves >= 0 && octaves <= MAX_OCTAVES, `pointwiseAttention: ${octaves} octaves`);
  check(
    (ages !== undefined) === octaves > 0,
    `pointwiseAttention: ${octaves} octaves ${ages === undefined ? 'without' : 'with'} ages`,
  );
  if (ages !== undefined) checkWidths('pointwiseAttention ages', ages.width, 1);
  const count = countDistances({ isCausal, distances }) + octaves;
  return { attributes: { distances, octaves, ages }, count };
}

/** Returns the number of biases by distance: of both sides with one for 0, or of one side if causal. */
export function countDistances({
  isCausal,
  distances,
}: Pick<Operations['segmentAttention'], 'isCausal' | 'distances'>): number {
  return isCausal ? distances : Math.max(0, 2 * distances - 1);
}
