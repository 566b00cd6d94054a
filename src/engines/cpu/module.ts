import type { NotBuilt } from '../../system/native-build.js';
import type { Precision } from '../precision.js';
import type { Apart } from '../state/apart.js';
import type { Kernels } from './kernels.js';
import { addonOf, type NativeKernels } from './native/addon.js';
import { attach } from './native/attach.js';
import { stagedKernels, type Stage } from './staged.js';

/** Bytes of a page of WebAssembly memory, and the most that one memory can have. */
export const PAGE_BYTES = 65_536;
export const MAX_BYTES = 4 * 2 ** 30 - PAGE_BYTES;

/** Why there are no native kernels; with what to do, where something can be done. */
export interface NoNative extends NotBuilt {
  /** Whether nobody asked for any. */
  readonly isChosen?: boolean;
}

/**
 * The compiled kernels, whether they fuse multiplications and additions, and what is in the place of some, or why
 * nothing is.
 */
export interface KernelModule {
  readonly module: WebAssembly.Module;
  readonly isRelaxed: boolean;
  readonly native: NativeKernels | NoNative;
}

/**
 * Why a step's products are slower than those in single precision would be, with the same bits as fast ones; undefined
 * where they are not.
 */
export function whyEmulated({ native }: KernelModule, precision: Precision): string | undefined {
  return precision === 'f32'
    ? undefined
    : 'reason' in native
      ? `native kernels are not available: ${native.reason}`
      : native.noBf16;
}

/** A memory of at least so many bytes, to be shared with workers. */
export function createMemory(bytes: number): WebAssembly.Memory {
  const pages = Math.ceil(bytes / PAGE_BYTES);
  return new WebAssembly.Memory({ initial: pages, maximum: Math.max(pages, 65_536), shared: true });
}

/** An instance on a memory, with the native kernels that were found; it also reaches tables that lie apart. */
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

/** An instance on a memory, with WebAssembly's own kernels. */
export function instantiateAlone(module: WebAssembly.Module, memory: WebAssembly.Memory): Kernels {
  const abort = (): never => {
    throw new Error('a kernel failed');
  };
  return new WebAssembly.Instance(module, { env: { memory, abort } }).exports as Kernels;
}
