import { domainName, type Domain } from '../../graph/domain.js';

/** Rows of a pass by domain: the same object for the same pass. */
export interface DomainRows {
  /** Rows of the batch. */
  readonly batch: number;
  /** By name, the rows of all other domains, in the order of the program's domains. */
  readonly items: ReadonlyMap<string, number>;
}

/** Returns the rows of a domain. */
export function rowsIn({ batch, items }: DomainRows, domain: Domain): number {
  if (domain.kind === 'batch') return batch;
  const count = items.get(domainName(domain));
  if (count === undefined) throw new Error(`${domainName(domain)} were not loaded`);
  return count;
}
