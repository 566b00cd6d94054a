/** Which worker a thread is, of how many. */
export interface Shares {
  self: number;
  threads: number;
}

/** A worker's share of things that are handed out so many at a time: as in kernels/team.ts. */
export function shareOf(count: number, unit: number, { self, threads }: Shares): { readonly begin: number; readonly end: number } {
  const units = Math.ceil(count / unit);
  const beginOf = (worker: number): number => Math.min(count, Math.floor((units * worker) / threads) * unit);
  return { begin: beginOf(self), end: beginOf(self + 1) };
}

/** Columns of a cache line. */
const LINE = 16;

/** A worker's among columns whose cache lines are numbers `slot` and up of `slots`: as in kernels/team.ts. */
export function columnsOf(columns: number, slot: number, slots: number, { self, threads }: Shares): { readonly begin: number; readonly end: number } {
  const beginOf = (worker: number): number => Math.min(columns, Math.max(0, Math.floor((slots * worker) / threads) - slot) * LINE);
  return { begin: beginOf(self), end: beginOf(self + 1) };
}
