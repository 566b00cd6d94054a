import { findItemField, type SequenceLayout } from '../sequences/layout.js';

/** An embedding table: one learned vector for every id of a field. */
export interface TableSpec {
  readonly name: string;
  readonly rows: number;
  readonly width: number;
  /** The field whose ids its rows are of, where it is not called so. */
  readonly idsOf?: string;
  /** Whether heads add up its rows, instead of reading them as embeddings. */
  readonly isWide?: true;
  /** Whether training leaves its rows unchanged. */
  readonly isFrozen?: true;
}

/**
 * How the items of a bag become one vector, with w the weight of an item and e its embedding: `sum` is Σ w·e, `mean`
 * divides it
 * by Σ w, `sqrtn` by √Σ w² (the combiners of TensorFlow's `embedding_lookup_sparse`). A bag without items is all zeros.
 */
export const POOLINGS = ['sum', 'mean', 'sqrtn'] as const;
export type Pooling = (typeof POOLINGS)[number];

/**
 * Columns of the model's input that one field fills: a row of its table, rows of it pooled, its number, or its numbers.
 */
export type InputColumns = {
  readonly field: string;
  /** The group of the config that the field stands in; none where there is no config. */
  readonly group?: string;
  /** First column, and how many. */
  readonly offset: number;
  readonly width: number;
  /** Whether these are no feature, but what heads add up: they lie behind all features. */
  readonly isWide?: true;
  readonly composition?: Composition | undefined;
} & InputSource;

/**
 * How looked-up columns become the embedding of a field: a learned matrix projects them to a width, or they are added
 * to the columns of another field (which such a matrix may precede), or multiply them after 1 is added.
 */
export type Composition =
  | { readonly kind: 'project'; readonly width: number }
  | { readonly kind: 'multiply'; readonly field: string }
  | { readonly kind: 'add'; readonly field: string; readonly isProjected?: true };

/** Where columns of the model's input come from. */
export type InputSource =
  | { readonly kind: 'id'; readonly table: string }
  /**
   * Its items, of a row `maxItems` at the most, are in the batch, or they are the two rows that a number lies between,
   * which are summed by how near they are.
   */
  | {
      readonly kind: 'bag';
      readonly table: string;
      readonly pooling: Pooling;
      readonly maxItems?: number;
      readonly isBetweenRows?: true;
    }
  | { readonly kind: 'number' }
  | { readonly kind: 'vector' };

/** How the fields of a row lie side by side in the model's input. */
export interface InputLayout {
  readonly width: number;
  readonly columns: readonly InputColumns[];
  readonly tables: readonly TableSpec[];
  /** Sequences whose items are read one by one, outside the concatenated input. */
  readonly sequences?: readonly SequenceLayout[];
}

/** Returns the maximum items of a field per row of a batch; undefined if it is unknown. */
export function findMaxItems({ columns, sequences = [] }: InputLayout, field: string): number | undefined {
  const sequence = sequences.find(({ fields }) => fields.some((each) => findItemField(each) === field));
  if (sequence !== undefined) return sequence.maxItems;
  return columns.filter((each) => each.kind === 'bag').find((each) => each.field === field)?.maxItems;
}

/**
 * The layout for a model that wants several parts of every embedding, each as wide as it was: they lie side by side in
 * a row of the table.
 */
export function withEmbeddingParts(layout: InputLayout, parts: number): InputLayout {
  const { columns, tables, sequences } = layout;
  let width = 0;
  const placed = columns.map((column): InputColumns => {
    const place = { offset: width, width: 'table' in column ? column.width * parts : column.width };
    width += place.width;
    return { ...column, ...place };
  });
  return {
    ...layout,
    width,
    columns: placed,
    tables: tables.map((table) => ({ ...table, width: table.width * parts })),
    ...(sequences !== undefined && { sequences: sequences.map((each) => withWiderItems(each, parts)) }),
  };
}

function withWiderItems(sequence: SequenceLayout, parts: number): SequenceLayout {
  const fields = sequence.fields.map((each) => (each.kind === 'id' ? { ...each, width: each.width * parts } : each));
  return { ...sequence, fields };
}

/** What the heads of a model add up: numbers for each id of some groups of fields, or of all where none are named. */
export interface WidePart {
  readonly groups?: readonly string[] | undefined;
  /** Numbers for an id. */
  readonly width: number;
}

/**
 * The layout for a model with a wide part: behind the features, each field that has a table is looked up in another
 * one, of its own.
 */
export function withWidePart(layout: InputLayout, { groups, width }: WidePart): InputLayout {
  const { width: featureWidth, columns, tables } = layout;
  const read = columns
    .filter((column) => 'table' in column)
    .filter(({ group }) => groups === undefined || (group !== undefined && groups.includes(group)));
  const wide = read.map((column, f): InputColumns => ({
    ...column,
    composition: undefined,
    table: wideTable(column.field),
    offset: featureWidth + f * width,
    width,
    isWide: true,
  }));
  const wideTables = read.map(({ field, table }): TableSpec => ({
    name: wideTable(field),
    rows: tables.find(({ name }) => name === table)!.rows,
    width,
    idsOf: table,
    isWide: true,
  }));
  return {
    ...layout,
    width: featureWidth + wide.length * width,
    columns: [...columns, ...wide],
    tables: [...tables, ...wideTables],
  };
}

/** Returns the layout without embeddings: numbers and vectors, then the lookups of the wide part. */
export function withoutEmbeddings({ columns, tables }: InputLayout): InputLayout {
  let width = 0;
  const placed = columns
    .filter((column) => column.isWide === true || !('table' in column))
    .map((column): InputColumns => {
      const offset = width;
      width += column.width;
      return { ...column, offset };
    });
  return { width, columns: placed, tables: tables.filter(({ isWide }) => isWide === true) };
}

/** What the table of a field is called that heads add up. */
export function wideTable(field: string): string {
  return `wide.${field}`;
}
