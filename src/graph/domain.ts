/**
 * The rows of a value: one per row of the batch, or one per item of a sequence, concatenated over the rows of the batch
 * (jagged: a batch says where the items of each row begin), or one per item that is selected in a row, or `count` per
 * row of the batch, or `count` in total, which all rows of the batch share.
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
  | {
      readonly kind: 'selected';
      readonly field: string;
      /** Items that are selected in each row, or all if a row has fewer. */
      readonly count: number;
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
  if (domain.kind === 'selected') return `selected(${domain.field}, ${domain.count})`;
  const hasItems = domain.kind === 'shared' && domain.field !== undefined;
  return hasItems ? `shared items(${domain.field})` : `${domain.kind}(${domain.count})`;
}

/** Returns the domain of a sequence's items, or of the values of items. */
export function items(field: string, parent?: ParentItems): Domain {
  return { kind: 'items', field, ...(parent !== undefined && { parent }) };
}

/** Returns the domain whose rows have the items of a domain. */
export function parentDomain(domain: Domain): Domain {
  return domain.kind === 'items' && domain.parent !== undefined ? items(domain.parent.field) : BATCH;
}

/** Returns the domain of the items of a sequence of which at most `count` are selected in each row. */
export function selected(field: string, count: number): Domain {
  return { kind: 'selected', field, count };
}

/** Returns whether rows are items of a sequence: all of them, or those that are selected. */
export function isOfItems(domain: Domain): domain is Extract<Domain, { readonly kind: 'items' | 'selected' }> {
  return domain.kind === 'items' || domain.kind === 'selected';
}

/** Computes where the selected items of each row begin, given where all items do. */
export function selectedOffsets(offsets: Uint32Array, count: number): Uint32Array {
  const found = new Uint32Array(offsets.length);
  for (let b = 0; b + 1 < offsets.length; b++)
    found[b + 1] = found[b]! + Math.min(offsets[b + 1]! - offsets[b]!, count);
  return found;
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
