import type { Kernels } from '../kernels.js';
import { shareOf } from '../shares.js';
import type { Native } from './native.js';
import type { Reach } from './reach.js';

/** The products that addon.c gives. */
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
  /** Whether the squares of all sums are finite: 1 or 0. */
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
  /** The same of operands that are rounded to bfloat16, where the processor has what it takes. */
  readonly gemmBf16?: NativeProducts['gemm'] | undefined;
  readonly gemmGradientBf16?: NativeProducts['gemmGradient'] | undefined;
}

type Product = NonNullable<Native['gemm']>;
type Gradient = NonNullable<Native['gemmGradient']>;

const PANEL = 8;
/** Inputs or rows that are handed out together. */
const UNIT = 4;
/**
 * Fewer rows than this are done before a call has come through; more inputs do not fit the stack, where they are turned
 * round.
 */
const [FEWEST_ROWS, MAX_INPUTS] = [8, 8192];

/** Products in the place of an instance's. */
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
