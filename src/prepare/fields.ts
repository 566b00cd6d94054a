import type { BlockColumn } from '../chunks/row-block.js';

/** The fields of Ali-CCP, in column order. */
export const FIELDS = [
  ...['101', '121', '122', '124', '125', '126', '127', '128', '109_14', '110_14', '127_14', '150_14'],
  ...['129', '205', '206', '207', '210', '216', '508', '509', '702', '853', '301'],
] as const;

/** Fields with several weighted ids per row. */
export const BAG_FIELDS: ReadonlySet<string> = new Set(['109_14', '110_14', '127_14', '150_14', '210', '853']);
/**
 * Fields with one id per row whose weight is meaningful: how often the user interacted with the item's category, shop
 * or brand.
 */
const WEIGHTED_FIELDS: ReadonlySet<string> = new Set(['508', '509', '702']);

/** Histories of a user, and the field of the candidate with the same raw ids: category, shop, brand and intention. */
const HISTORIES: Readonly<Record<string, string>> = {
  '109_14': '206',
  '110_14': '207',
  '127_14': '216',
  '150_14': '210',
};

/** How to prepare a field. */
export interface FieldPlan {
  readonly name: string;
  readonly isBag: boolean;
  /** Maximum number of values per row, the heaviest first: 1 unless it is a bag. */
  readonly cap: number;
  /** Column of its weight, for a field with one id. */
  readonly number: string | undefined;
  /** Minimum occurrences of an id in the training set; rarer ids become 0, the OOV id. */
  readonly minCount: number;
  /** Uses the last instead of the heaviest value of a field with one id. */
  readonly keepsLast?: true;
  /** Field whose vocabulary precedes its own ids, so that equal ids have equal numbers. */
  readonly sharesIdsWith?: string;
}

/** A number for some fields, and one for all others. */
export interface PerField {
  readonly rest: number;
  readonly byField: Readonly<Record<string, number>>;
}

/** Fields that are reduced to one id per row. */
export interface SingleIds {
  /** Bags that are reduced. */
  readonly singles: readonly string[];
  /** Uses the last value in the file, regardless of weight. */
  readonly keepsLast: boolean;
  /** Whether each field has a vocabulary of its own. */
  readonly hasOwnIds: boolean;
}

/** Returns all fields with their limits. */
export function fieldPlans(
  caps: PerField,
  minCounts: PerField,
  { singles, keepsLast, hasOwnIds }: SingleIds = { singles: [], keepsLast: false, hasOwnIds: false },
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
      ...(!hasOwnIds && name in HISTORIES && { sharesIdsWith: HISTORIES[name]! }),
    };
  });
}

/** Returns the columns of a field: its ids, and their weights for a field with one id. */
export function fieldColumns({ name, isBag, number }: FieldPlan): readonly BlockColumn[] {
  const ids: BlockColumn = { name, kind: isBag ? 'bag' : 'id' };
  return number === undefined ? [ids] : [ids, { name: number, kind: 'number' }];
}

/** Returns the columns of prepared data: labels, ids by field, and numbers. */
export function preparedColumns(fields: readonly FieldPlan[]): readonly BlockColumn[] {
  const columns = fields.flatMap(fieldColumns);
  return [
    { name: 'click', kind: 'label' },
    { name: 'purchase', kind: 'label' },
    ...columns.filter(({ kind }) => kind !== 'number'),
    ...columns.filter(({ kind }) => kind === 'number'),
  ];
}
