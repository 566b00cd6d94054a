import type { SIGNATURES } from '../compile/kernel-signatures.js';

/** What a list calls beside kernels, where several processes have parts of a batch. */
export interface Exchanges {
  /** Adds up over all of them so many doubles at an address, and more of them. */
  together(...placesAndCounts: readonly number[]): unknown;
  /**
   * Puts their rows of some columns together: of each where its own lie, the floats from row to row, and where those of
   * all go.
   */
  gather(...columns: readonly number[]): unknown;
  /** Begins to add so many floats at an address up, over all of them; and sees how far that is. */
  beginSum(at: number, count: number): unknown;
  goOn(): unknown;
}

/**
 * What the processes of a step exchange, in its order: of tables that are dealt out, sums over rows, columns that
 * losses compare rows in, losses, of dense weights, and of tables that each has.
 */
export const EXCHANGED = [
  'row numbers',
  'rows',
  'sums',
  'columns',
  'losses',
  'dense gradients',
  'row gradients',
  'small tables',
  'predictions',
] as const;
export type Exchanged = (typeof EXCHANGED)[number];

/** An instance's kernels, by name. */
export type Kernels = Readonly<Record<keyof typeof SIGNATURES | 'heapBase', (...args: number[]) => number>>;
