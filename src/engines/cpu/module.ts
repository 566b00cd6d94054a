import type { NotBuilt } from '../../system/native-build.js';
import type { Precision } from '../precision.js';
import type { Apart } from '../state/apart.js';
import type { Kernels } from './kernels.js';
import { addonOf, type NativeKernels } from './native/addon.js';
import { attach } from './native/attach.js';
import { stagedKernels, type Stage } from './staged.js';

/** Bytes of a page of WebAssembly memory, and the maximum number of pages. */
export const PAGE_BYTES = 65_536;
export const MAX_BYTES = 4 * 2 ** 30 - PAGE_BYTES;

/** Reason for the lack of native kernels, and the fix if there is one. */
export interface NoNative extends NotBuilt {
  /** Whether native kernels were disabled on request. */
  readonly isChosen?: boolean;
}

/**
 * The compiled kernels, whether they fuse multiplications and additions, and the native kernels or the reason for their
 * lack.
 */
export interface KernelModule {
  readonly module: WebAssembly.Module;
  readonly isRelaxed: boolean;
  readonly native: NativeKernels | NoNative;
}

/**
 * Returns why the products of a step are slower than in single precision, although bitwise identical to fast ones;
 * undefined if they are not slower.
 */
export function whyEmulated({ native }: KernelModule, precision: Precision): string | undefined {
  return precision === 'f32'
    ? undefined
    : 'reason' in native
      ? `native kernels are not available: ${native.reason}`
      : native.noBf16;
}

/** Creates a memory of at least `bytes` bytes that workers can share. */
export function createMemory(bytes: number): WebAssembly.Memory {
  const pages = Math.ceil(bytes / PAGE_BYTES);
  return new WebAssembly.Memory({ initial: pages, maximum: Math.max(pages, 65_536), shared: true });
}

/**
 * Instantiates the kernels on a memory, with the native ones that were found; also supports tables in their own memory.
 */
export function instantiate(
  { module, native }: KernelModule,
  memory: WebAssembly.Memory,
  apart: readonly Apart[] = [],
): Kernels {
  const createStage = (): Stage => {
    const own = createMemory(PAGE_BYTES);
    return { kernels: instantiateAlone(module, own), memory: own };
  };
  const kernels = stagedKernels(instantiateAlone(module, memory), memory, apart, createStage);
  return 'reason' in native ? kernels : attach(kernels, addonOf(native), native.family, memory, apart);
}

/** Instantiates the WebAssembly kernels on a memory. */
export function instantiateAlone(module: WebAssembly.Module, memory: WebAssembly.Memory): Kernels {
  const abort = (): never => {
    throw new Error('a kernel failed');
  };
  return new WebAssembly.Instance(module, { env: { memory, abort } }).exports as Kernels;
}
