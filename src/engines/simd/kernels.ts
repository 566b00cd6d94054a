import type { SIGNATURES } from './kernel-signatures.js';

/** What a list calls beside kernels: adds up over all processes so many doubles at an address, and more of them. */
export interface Exchanges {
  together(...placesAndCounts: readonly number[]): unknown;
}

/** An instance's kernels, by name. */
export type Kernels = Readonly<Record<keyof typeof SIGNATURES | 'heapBase', (...args: number[]) => number>>;
