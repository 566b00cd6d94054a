/**
 * What the operands of a step's matrix products are rounded to: nothing, or bfloat16, whose numbers have 8 significant bits and the range of
 * single precision. Sums, weights and all else are in single precision.
 */
export const PRECISIONS = ['f32', 'bf16'] as const;
export type Precision = (typeof PRECISIONS)[number];
