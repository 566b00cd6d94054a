import type { Precision } from '../precision.js';

/** The kernels of matrix products: of inputs and weights, and of what a gradient of weights is summed from. */
export const PRODUCTS = {
  f32: { product: 'gemm', gradient: 'gemmGradient' },
  // A device that has it has shaders of its own for these (webgpu/).
  f16: { product: 'gemm', gradient: 'gemmGradient' },
  bf16: { product: 'gemmBf16', gradient: 'gemmGradientBf16' },
} as const satisfies Readonly<Record<Precision, object>>;
export type Products = (typeof PRODUCTS)[Precision];
