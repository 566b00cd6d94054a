import type { SIGNATURES } from './kernel-signatures.js';

/** An instance's kernels, by name. */
export type Kernels = Readonly<Record<keyof typeof SIGNATURES | 'heapBase', (...args: number[]) => number>>;
