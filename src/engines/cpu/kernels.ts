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

/** Exchanges of a list without other processes, and of threads other than the first. */
export const NO_EXCHANGES: Exchanges = {
  together: () => undefined,
  gather: () => undefined,
  beginSum: () => undefined,
  goOn: () => undefined,
};

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

/** The kernels of a thread on a memory, by name; addresses are offsets from the memory. */
export type Kernels = Readonly<Record<keyof typeof SIGNATURES, (...args: number[]) => void>>;

/** Shares of the thread of an instance, by its number or, in a phase by rows, by cost. */
export interface Shares {
  /** Returns where its share of `count` items begins and ends, which are handed out `unit` at a time. */
  shareBegin(count: number, unit: number): number;
  shareEnd(count: number, unit: number): number;
}

/** Kernels on a memory, for one thread. */
export interface Instance {
  readonly kernels: Kernels;
  /**
   * Runs the calls of a list from an offset of the memory on.
   * @returns the offset of a call that is not a kernel's, or `to`
   * @throws Error if a kernel fails
   */
  run(from: number, to: number): number;
  /** Returns the address of a table as calls have it; undefined if kernels of a list cannot access it. */
  reach(table: number): number | undefined;
}
