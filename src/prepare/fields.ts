import type { BlockColumn } from '../data/rows/row-block.js';

/** The fields of Ali-CCP, in the order of the prepared columns. */
export const FIELDS = [
  ...['101', '121', '122', '124', '125', '126', '127', '128', '109_14', '110_14', '127_14', '150_14'],
  ...['129', '205', '206', '207', '210', '216', '508', '509', '702', '853', '301'],
] as const;

/** Fields with several weighted ids a row. */
export const BAG_FIELDS: ReadonlySet<string> = new Set(['109_14', '110_14', '127_14', '150_14', '210', '853']);
/**
 * Fields with one id a row whose weight says something: how much the user did with the item's category, shop or brand.
 */
const WEIGHTED_FIELDS: ReadonlySet<string> = new Set(['508', '509', '702']);

/** What is kept of a field. */
export interface FieldPlan {
  readonly name: string;
  readonly isBag: boolean;
  /** Values of a row that are kept, the heaviest: 1 unless it is a bag. */
  readonly cap: number;
  /** The column of its weight, for a field with one id. */
  readonly number: string | undefined;
  /** Ids with fewer occurrences in train become 0, the unknown. */
  readonly minCount: number;
  /** Of several values of a field with one id the last is kept, not the heaviest. */
  readonly keepsLast?: true;
}

/** A number for some fields, and one for all others. */
export interface PerField {
  readonly rest: number;
  readonly byField: Readonly<Record<string, number>>;
}

/** Of which fields one id a row is kept, and which. */
export interface SingleIds {
  /** Bags that are no bags then. */
  readonly singles: readonly string[];
  /** Of several values of a field with one id the last in the file is kept, whatever they weigh. */
  readonly keepsLast: boolean;
}

/** All fields with their limits. */
export function fieldPlans(
  caps: PerField,
  minCounts: PerField,
  { singles, keepsLast }: SingleIds = { singles: [], keepsLast: false },
): readonly FieldPlan[] {
  const of = ({ rest, byField }: PerField, name: string): number => byField[name] ?? rest;
  return FIELDS.map((name) => {
    const isBag = BAG_FIELDS.has(name) && !singles.includes(name);
    return {
      name,
      isBag,
      cap: isBag ? of(caps, name) : 1,
      number: WEIGHTED_FIELDS.has(name) ? `D${name}` : undefined,
      minCount: of(minCounts, name),
      ...(keepsLast && !isBag && { keepsLast }),
    };
  });
}

/** The columns of prepared data: labels, fields, weights of fields with one id. */
export function preparedColumns(fields: readonly FieldPlan[]): readonly BlockColumn[] {
  return [
    { name: 'click', kind: 'label' },
    { name: 'purchase', kind: 'label' },
    ...fields.map(({ name, isBag }): BlockColumn => ({ name, kind: isBag ? 'bag' : 'id' })),
    ...fields.flatMap(({ number }): BlockColumn[] => (number === undefined ? [] : [{ name: number, kind: 'number' }])),
  ];
}
