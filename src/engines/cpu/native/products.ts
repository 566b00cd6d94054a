import type { Kernels } from '../kernels.js';
import { shareOf } from '../shares.js';
import type { Native } from './native.js';
import type { Reach } from './reach.js';

/** The products of addon.c. */
export interface NativeProducts {
  gemm(
    a: number,
    lda: number,
    panelsAt: number,
    bias: number,
    c: number,
    ldc: number,
    begin: number,
    end: number,
    k: number,
    panels: number,
    accumulate: number,
  ): void;
  /** Returns 1 if the squares of all sums are finite, otherwise 0. */
  gemmGradient(
    x: number,
    ldx: number,
    d: number,
    ldd: number,
    g: number,
    rows: number,
    begin: number,
    end: number,
    k: number,
    panels: number,
    accumulate: number,
  ): number;
  /** The same for operands rounded to bfloat16, if the processor supports it. */
  readonly gemmBf16?: NativeProducts['gemm'] | undefined;
  readonly gemmGradientBf16?: NativeProducts['gemmGradient'] | undefined;
}

type Product = NonNullable<Native['gemm']>;
type Gradient = NonNullable<Native['gemmGradient']>;

const PANEL = 8;
/** Inputs or rows per unit of work. */
const UNIT = 4;
/** Minimum rows for which a native call pays off; maximum inputs whose transpose fits the stack. */
const [FEWEST_ROWS, MAX_INPUTS] = [8, 8192];

/** Creates native products that replace those of an instance. */
export function nativeProducts(kernels: Kernels, native: NativeProducts, { hold }: Reach) {
  const product = (own: Product, other: NativeProducts['gemm']): Product => {
    return (a, lda, panelsAt, bias, c, ldc, rows, k, panels, accumulate) => {
      if (rows < FEWEST_ROWS || k > MAX_INPUTS) return own(a, lda, panelsAt, bias, c, ldc, rows, k, panels, accumulate);
      hold(a, rows, lda, k);
      hold(panelsAt, panels, k * PANEL, k * PANEL);
      hold(bias, 1, 0, bias === 0 ? 0 : panels * PANEL);
      hold(c, rows, ldc, panels * PANEL);
      const { begin, end } = shareOf(kernels, rows, UNIT);
      other(a, lda, panelsAt, bias, c, ldc, begin, end, k, panels, accumulate);
      return 0;
    };
  };
  const gradient = (own: Gradient, other: NativeProducts['gemmGradient']): Gradient => {
    return (x, ldx, d, ldd, g, rows, k, panels, accumulate) => {
      if (rows < FEWEST_ROWS) return own(x, ldx, d, ldd, g, rows, k, panels, accumulate);
      hold(x, rows, ldx, k);
      hold(d, rows, ldd, panels * PANEL);
      hold(g, panels, k * PANEL, k * PANEL);
      const { begin, end } = shareOf(kernels, k, UNIT);
      if (other(x, ldx, d, ldd, g, rows, begin, end, k, panels, accumulate) === 0) kernels.noteNotFinite();
      return 0;
    };
  };
  return {
    gemm: product(kernels.gemm, native.gemm),
    gemmGradient: gradient(kernels.gemmGradient, native.gemmGradient),
    ...(native.gemmBf16 && { gemmBf16: product(kernels.gemmBf16, native.gemmBf16) }),
    ...(native.gemmGradientBf16 && { gemmGradientBf16: gradient(kernels.gemmGradientBf16, native.gemmGradientBf16) }),
  } satisfies Native;
}
