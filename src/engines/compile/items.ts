import { domainName, isOfItems, isSameDomain, items, parentDomain, type Domain } from '../../graph/domain.js';
import type { Graph } from '../../graph/graph.js';
import type { Lookups } from '../../graph/lookups.js';
import type { ItemSource, Pooling, ValueOf } from '../../graph/operations.js';
import { findMaxItems, type InputLayout } from '../../tables/layout.js';
import type { Buffers, Ref } from './buffers.js';

/**
 * The buffers of a field's items. The number of items that are only pooled is unknown before there is a batch, so that
 * a bag has their addresses; items that are read one by one have buffers of their own.
 */
export interface ItemsPlace {
  readonly field: string;
  /** Maximum items per row, if it is known. */
  readonly maxItems: number | undefined;
  /** Pooling of the factors that the graph reads, if any. */
  readonly pooling: Pooling | undefined;
  /** Rows that have its items: rows of the batch, or items with several values. */
  readonly rows: Domain;
  /** Field with the number of values of each item; undefined for items of the rows of the batch. */
  readonly counts: string | undefined;
  /**
   * One word more than the maximum of `rows`: where the items of each row begin, and where the items of the last row
   * end.
   */
  readonly offsets: Ref;
  /** Offsets of selected items, by their maximum number in a row. */
  readonly selected: readonly { readonly count: number; readonly offsets: Ref }[];
  /** Two addresses, of the items' ids and of their factors; undefined without factors. */
  readonly bag: Ref | undefined;
  /** Ids and factors that are read one by one; undefined if none are. */
  readonly ids: Ref | undefined;
  readonly factors: Ref | undefined;
}

/** Codes of poolings in the kernel. The factors of a sum are its weights, so it has no kernel. */
export const POOLING_NUMBERS: Readonly<Record<Exclude<Pooling, 'sum'>, number>> = { mean: 1, sqrtn: 2 };

/** Returns the buffer with the addresses of a field's ids and factors. */
export const takeBag = (buffers: Buffers, field: string): Ref => buffers.take(`bag ${field}`, 'column', 1, 2);

/** Returns the buffer with the ids of a field that are read one by one, in a domain. */
export const takeItemIds = (buffers: Buffers, field: string, domain: Domain): Ref =>
  buffers.take(`item ids ${field}`, 'column', domain);

/** Returns the buffer with the factors of a field that are read one by one, in a domain. */
const takeFactors = (buffers: Buffers, field: string, domain: Domain): Ref =>
  buffers.take(`factors ${field}`, 'column', domain);

/** Lists the domains of selected items of a field. */
function listSelected(values: Graph['values'], field: string): readonly Extract<Domain, { kind: 'selected' }>[] {
  const found = values.flatMap(({ rows }) => (rows.kind === 'selected' && rows.field === field ? [rows] : []));
  return [...new Map(found.map((rows) => [rows.count, rows])).values()];
}

/**
 * Returns the buffer with `maxRows` + 1 words: where the blocks or selected items of each row begin, and where the
 * blocks or items of the last row end.
 */
export const takeRowOffsets = (buffers: Buffers, domain: Domain, maxRows: number): Ref =>
  buffers.take(`offsets ${domainName(domain)}`, 'column', 1, maxRows + 1);

/** An input of items or of their factors. */
type ItemInput = ValueOf<'input'> & { readonly source: ItemSource };

/**
 * Creates the buffers of all items that a graph reads.
 * @param hasOwnIds returns whether each process numbers the rows of a table that a step looks up
 */
export function placeItems(
  { values }: Pick<Graph, 'values'>,
  { pooled, unread }: Lookups,
  layout: InputLayout,
  buffers: Buffers,
  maxRows: number,
  hasOwnIds: (table: string) => boolean,
): readonly ItemsPlace[] {
  const itemInputs = values.filter((value) => value.op === 'input' && value.rows.kind === 'items') as ItemInput[];
  const fields = new Set([
    ...values.flatMap(({ rows }) => (isOfItems(rows) ? [rows.field] : [])),
    ...itemInputs.map(({ source }) => source.field),
  ]);
  return [...fields].map((field): ItemsPlace => {
    const inputs = itemInputs.filter(({ source }) => source.field === field);
    const domain = inputs[0]?.rows ?? items(field);
    const inDomain = values.filter(({ rows }) => isSameDomain(rows, domain));
    const poolings = new Set(inputs.flatMap(({ source }) => (source.kind === 'factors' ? [source.pooling] : [])));
    if (poolings.size > 1) throw new Error(`'${field}' is pooled by ${[...poolings].join(' and by ')}`);
    const [pooling] = poolings;
    const read = inputs.filter((value) => !unread.has(value)).map(({ source }) => source);
    const maxItems = findMaxItems(layout, domain.kind === 'items' ? domain.field : field);
    const isPooled = [...pooled.values()].some((each) => each.field === field);
    if (maxItems === undefined && inDomain.some((value) => !unread.has(value)))
      throw new Error(`the items of '${field}' are read one by one, but their maximum number is unknown`);
    const { field: parent, counts } = (domain.kind === 'items' && domain.parent) || {};
    const maxParents = parent === undefined ? 1 : findMaxItems(layout, parent)!;
    return {
      field,
      maxItems,
      pooling,
      rows: parentDomain(domain),
      counts,
      offsets: buffers.take(`offsets ${field}`, 'column', 1, maxRows * maxParents + 1),
      selected: listSelected(values, field).map((each) => ({
        count: each.count,
        offsets: takeRowOffsets(buffers, each, maxRows),
      })),
      bag: isPooled || pooling !== undefined ? takeBag(buffers, field) : undefined,
      ids: read.some((source) => source.kind === 'items' && !hasOwnIds(source.table))
        ? takeItemIds(buffers, field, domain)
        : undefined,
      factors: read.some(({ kind }) => kind === 'factors') ? takeFactors(buffers, field, domain) : undefined,
    };
  });
}
