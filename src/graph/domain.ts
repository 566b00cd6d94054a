/**
 * The rows of a value: one per row of the batch, or one per item of a sequence, concatenated over the rows of the batch
 * (jagged: a batch says where the items of each row begin), or `count` per row of the batch, or `count` in total, which
 * all rows of the batch share.
 */
export type Domain =
  | { readonly kind: 'batch' }
  | {
      readonly kind: 'items';
      /** Field of the sequence. */
      readonly field: string;
      /** For the values of items: what they are values of; default: items of the rows of the batch. */
      readonly parent?: ParentItems | undefined;
    }
  | { readonly kind: 'blocks'; /** Rows per row of the batch. */ readonly count: number }
  | SharedRows;

/** Rows that all rows of the batch share: `count`, or the items of one row, `count` at most. */
interface SharedRows {
  readonly kind: 'shared';
  readonly count: number;
  /** Field whose items they are. */
  readonly field?: string;
}

/** Items that have values: the rows of a domain of items. */
export interface ParentItems {
  /** Field of the sequence. */
  readonly field: string;
  /** Field with the number of values of each item. */
  readonly counts: string;
}

/** One row per row of the batch. */
export const BATCH: Domain = { kind: 'batch' };

/** Returns how a domain is printed: `batch`, or its kind with its field or count, as in `items(clicks)`. */
export function domainName(domain: Domain): string {
  if (domain.kind === 'batch') return 'batch';
  if (domain.kind === 'items') return `items(${domain.field})`;
  const isOfItems = domain.kind === 'shared' && domain.field !== undefined;
  return isOfItems ? `shared items(${domain.field})` : `${domain.kind}(${domain.count})`;
}

/** Returns the domain of a sequence's items, or of the values of items. */
export function items(field: string, parent?: ParentItems): Domain {
  return { kind: 'items', field, ...(parent !== undefined && { parent }) };
}

/** Returns the domain whose rows have the items of a domain. */
export function parentOf(domain: Domain): Domain {
  return domain.kind === 'items' && domain.parent !== undefined ? items(domain.parent.field) : BATCH;
}

/** Returns the domain of `count` blocks of columns per row of the batch. */
export function blocks(count: number): Domain {
  return { kind: 'blocks', count };
}

/** Returns the domain of `count` rows that all rows of the batch share. */
export function shared(count: number): Domain {
  return { kind: 'shared', count };
}

/** Returns the domain of the items of one row, `count` at most, which all rows of the batch share. */
export function sharedItems(field: string, count: number): Domain {
  return { kind: 'shared', count, field };
}

/** Returns the index of a domain. */
export function indexOfDomain(domains: readonly Domain[], domain: Domain): number {
  return domains.findIndex((each) => isSameDomain(each, domain));
}

/** Returns whether two domains have the same rows. */
export function isSameDomain(a: Domain, b: Domain): boolean {
  return domainName(a) === domainName(b);
}
