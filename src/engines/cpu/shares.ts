import type { Kernels } from './kernels.js';

/** A worker's share: from `begin` up to, but not including, `end`. */
export interface Share {
  readonly begin: number;
  readonly end: number;
}

/** Computes this worker's share of `count` items, below 2³², in units of `unit`, as its kernels do. */
export function shareOf({ shareBegin, shareEnd }: Kernels, count: number, unit: number): Share {
  // WebAssembly returns signed integers.
  return { begin: shareBegin(count, unit) >>> 0, end: shareEnd(count, unit) >>> 0 };
}

/** Computes this worker's columns among those whose cache lines are numbers `slot` and up of `slots`. */
export function columnsOf({ slotBegin, slotEnd }: Kernels, columns: number, slot: number, slots: number): Share {
  return { begin: slotBegin(columns, slot, slots), end: slotEnd(columns, slot, slots) };
}
