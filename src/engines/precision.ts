/**
 * What the operands of a step's matrix products are rounded to: nothing; bfloat16, whose numbers have 8 significant
 * bits and the range of
 * single precision; or half precision, with 11 bits and numbers up to 65,504. Sums, weights and all else are in single
 * precision.
 */
export const PRECISIONS = ['f32', 'bf16', 'f16'] as const;
export type Precision = (typeof PRECISIONS)[number];
