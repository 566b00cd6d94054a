import { readFileSync } from 'node:fs';
import v8 from 'node:v8';
import type { SIGNATURES } from './kernel-signatures.js';

/** Bytes of a page of WebAssembly memory, and the most that one memory can have. */
export const PAGE_BYTES = 65_536;
export const MAX_BYTES = 4 * 2 ** 30 - PAGE_BYTES;

/** An instance's kernels, by name. */
export type Kernels = Readonly<Record<keyof typeof SIGNATURES | 'heapBase', (...args: number[]) => number>>;

/** The compiled kernels, and whether they fuse multiplications and additions. */
export interface KernelModule {
  readonly module: WebAssembly.Module;
  readonly isRelaxed: boolean;
}

/**
 * Compiles the kernels: with relaxed SIMD where this Node has it.
 * @param allowRelaxed false takes the plain build in any case
 */
export function loadKernels(allowRelaxed = true): KernelModule {
  if (allowRelaxed) {
    // Before 22, Node has it behind a flag, which later ones do not know.
    if (Number.parseInt(process.versions.node, 10) < 22) v8.setFlagsFromString('--experimental-wasm-relaxed-simd');
    try {
      return { module: compileFile('kernels-relaxed.wasm'), isRelaxed: true };
    } catch (error) {
      if (!(error instanceof WebAssembly.CompileError)) throw error;
    }
  }
  return { module: compileFile('kernels.wasm'), isRelaxed: false };
}

/** The build's folder is as far from the sources as from what is built of them. */
function compileFile(name: string): WebAssembly.Module {
  return new WebAssembly.Module(readFileSync(new URL(`../../../dist/${name}`, import.meta.url)));
}

/** A memory of at least so many bytes, to be shared with workers. */
export function createMemory(bytes: number): WebAssembly.Memory {
  const pages = Math.ceil(bytes / PAGE_BYTES);
  return new WebAssembly.Memory({ initial: pages, maximum: Math.max(pages, 65_536), shared: true });
}

/** An instance on a memory. */
export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): Kernels {
  const abort = (): never => {
    throw new Error('a kernel gave up');
  };
  return new WebAssembly.Instance(module, { env: { memory, abort } }).exports as Kernels;
}
