import type { SIGNATURES } from './kernel-signatures.js';

/** What a list calls beside kernels: adds up over all processes so many doubles at an address, and more of them. */
export interface Exchanges {
  together(...placesAndCounts: readonly number[]): unknown;
}

/** What the processes of a step exchange, in its order: of tables that are dealt out, sums, of dense weights, and of tables that each has. */
export const EXCHANGED = ['row numbers', 'rows', 'batch norm', 'losses', 'dense gradients', 'row gradients', 'small tables', 'predictions'] as const;
export type Exchanged = (typeof EXCHANGED)[number];

/** An instance's kernels, by name. */
export type Kernels = Readonly<Record<keyof typeof SIGNATURES | 'heapBase', (...args: number[]) => number>>;
