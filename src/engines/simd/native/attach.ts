import type { SIGNATURES } from '../kernel-signatures.js';
import type { Kernels } from '../kernels.js';

type Signatures = typeof SIGNATURES;
type Numbers<Names extends readonly string[]> = { -readonly [Place in keyof Names]: number };
/** Kernels that may be native: each with the arguments of its signature. */
type Native = { readonly [Name in keyof Signatures]?: (...args: Numbers<Signatures[Name]>) => number };

/** What addon.c gives: the families of this processor, the fastest first, and the kernels of one on a memory. */
export interface Addon {
  families(): readonly string[];
  /** Addresses and sizes are not looked at any more. */
  attach(memory: Uint8Array, family: string): {
    gemm(a: number, lda: number, panelsAt: number, bias: number, c: number, ldc: number, begin: number, end: number, k: number, panels: number, accumulate: number): void;
    /** Whether the squares of all sums are finite. */
    gemmGradient(x: number, ldx: number, d: number, ldd: number, g: number, rows: number, begin: number, end: number, k: number, panels: number, accumulate: number): boolean;
  };
}

const FLOAT = 4;
const PANEL = 8;
/** Inputs or rows that are handed out together. */
const UNIT = 4;
/** Fewer rows than this are done before a call has come through; more inputs do not fit the stack, where they are turned round. */
const [FEWEST_ROWS, MOST_INPUTS] = [8, 8192];

/**
 * The kernels of an instance, those of the addon in the place of its own. Each takes the same arguments, shares work as the other
 * does and leaves the same bits; where an argument would reach beyond the memory, it throws.
 */
export function attach(kernels: Kernels, addon: Addon, family: string, memory: WebAssembly.Memory): Kernels {
  const native = addon.attach(new Uint8Array(memory.buffer), family);
  const { byteLength } = memory.buffer;
  let [self, threads] = [0, 1];
  const beginOf = (count: number, worker: number): number => Math.min(count, Math.floor((Math.ceil(count / UNIT) * worker) / threads) * UNIT);

  /** So many rows lie within the memory, `ld` floats from one to the next. */
  const hold = (at: number, rows: number, ld: number, columns: number): void => {
    const end = at + ((rows - 1) * ld + columns) * FLOAT;
    if (!(at >= 0 && at % FLOAT === 0 && rows >= 0 && ld >= 0 && columns >= 0 && end <= byteLength)) throw new RangeError('memory access out of bounds');
  };

  const own = {
    join(worker, count, barrier) {
      [self, threads] = [worker, count];
      return kernels.join(worker, count, barrier);
    },
    gemm(a, lda, panelsAt, bias, c, ldc, rows, k, panels, accumulate) {
      if (rows < FEWEST_ROWS || k > MOST_INPUTS) return kernels.gemm(a, lda, panelsAt, bias, c, ldc, rows, k, panels, accumulate);
      hold(a, rows, lda, k);
      hold(panelsAt, panels, k * PANEL, k * PANEL);
      hold(bias, 1, 0, bias === 0 ? 0 : panels * PANEL);
      hold(c, rows, ldc, panels * PANEL);
      native.gemm(a, lda, panelsAt, bias, c, ldc, beginOf(rows, self), beginOf(rows, self + 1), k, panels, accumulate);
      return 0;
    },
    gemmGradient(x, ldx, d, ldd, g, rows, k, panels, accumulate) {
      if (rows < FEWEST_ROWS) return kernels.gemmGradient(x, ldx, d, ldd, g, rows, k, panels, accumulate);
      hold(x, rows, ldx, k);
      hold(d, rows, ldd, panels * PANEL);
      hold(g, panels, k * PANEL, k * PANEL);
      if (!native.gemmGradient(x, ldx, d, ldd, g, rows, beginOf(k, self), beginOf(k, self + 1), k, panels, accumulate)) kernels.noteNotFinite();
      return 0;
    },
  } satisfies Native;
  return { ...kernels, ...own };
}
