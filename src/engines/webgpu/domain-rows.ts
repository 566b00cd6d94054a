import type { Domain } from '../../graph/domain.js';

/** Rows of a pass by domain: the same object for the same pass. */
export interface DomainRows {
  /** Rows of the batch. */
  readonly batch: number;
  /** Items of each sequence, in the order of the program's sequences. */
  readonly items: ReadonlyMap<string, number>;
}

/** Returns the rows of a domain. */
export function rowsIn({ batch, items }: DomainRows, domain: Domain): number {
  if (domain.kind === 'batch') return batch;
  const count = items.get(domain.field);
  if (count === undefined) throw new Error(`items of '${domain.field}' were not loaded`);
  return count;
}
