/**
 * Precision of the operands of matrix products in training: single precision; bfloat16, with 8 significant bits and the
 * range of single precision; or half precision, with 11 bits and values up to 65,504. All else, including sums and
 * weights, is in single precision.
 */
export const PRECISIONS = ['f32', 'bf16', 'f16'] as const;
export type Precision = (typeof PRECISIONS)[number];

/** Precisions that predictions can have. */
export const PREDICTION_PRECISIONS = ['f32', 'bf16'] as const satisfies readonly Precision[];
export type PredictionPrecision = (typeof PREDICTION_PRECISIONS)[number];
