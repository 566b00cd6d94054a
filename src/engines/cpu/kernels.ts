import type { SIGNATURES } from '../compile/kernel-signatures.js';

/** Operations of a list besides kernels, if several processes have parts of a batch. */
export interface Exchanges {
  /** All-reduces doubles, given addresses and counts. */
  together(...placesAndCounts: readonly number[]): unknown;
  /**
   * All-gathers rows of columns, given for each the address of the own rows, the floats from row to row, and the
   * address of all rows.
   */
  gather(...columns: readonly number[]): unknown;
  /** Starts the all-reduce of `count` floats at an address, and tests its progress. */
  beginSum(at: number, count: number): unknown;
  goOn(): unknown;
}

/**
 * Data that the processes of a step exchange, in this order: rows of sharded tables, sums over rows, columns for losses
 * that compare rows, losses, gradients of dense weights, and gradients of tables that every process stores.
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
/** Called before each exchange. */
export type OnExchange = (what: Exchanged) => void;

/** An instance's kernels, by name. */
export type Kernels = Readonly<Record<keyof typeof SIGNATURES | 'heapBase', (...args: number[]) => number>>;
