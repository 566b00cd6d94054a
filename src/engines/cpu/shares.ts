/** A worker among those that share the memory. */
export interface Member {
  readonly self: number;
  readonly threads: number;
}

/** Returns the share of `count` items of a worker, in units of `unit`: from `begin` up to `end`, as kernels have it. */
export function shareOf({ self, threads }: Member, count: number, unit: number): { begin: number; end: number } {
  const units = Math.ceil(count / unit);
  const first = (worker: number): number => Math.min(count, Math.floor((units * worker) / threads) * unit);
  return { begin: first(self), end: first(self + 1) };
}
