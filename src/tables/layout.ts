import { findItemField, type SequenceLayout } from '../sequences/layout.js';

/** An embedding table: one trained vector per id. */
export interface TableSpec {
  readonly name: string;
  readonly rows: number;
  readonly width: number;
  /** Field whose ids its rows have; default: the name of the table. */
  readonly idsOf?: string;
  /** Whether the wide part sums its rows; otherwise, they are embeddings. */
  readonly isWide?: true;
  /** Whether training leaves its rows unchanged. */
  readonly isFrozen?: true;
  /** Rows that represent an id at first, from row 0, if it grows between steps up to `rows`; default: all. */
  readonly initialRows?: number;
  /** Rows with an id, if memory for the others is only reserved, for ids that a server receives; default: all. */
  readonly usedRows?: number;
}

/**
 * Poolings of the items of a bag, with weights w and embeddings e: `sum` is Σ w·e, `mean` divides it by Σ w, `sqrtn` by
 * √Σ w² (the combiners of TensorFlow's `embedding_lookup_sparse`). A bag without items gives zeros.
 */
export const POOLINGS = ['sum', 'mean', 'sqrtn'] as const;
export type Pooling = (typeof POOLINGS)[number];

/** Columns of the model's input from one field: a row of its table, a pooled bag, a number or a vector. */
export type InputColumns = {
  readonly field: string;
  /** Feature group of the config; undefined without a config. */
  readonly group?: string;
  /** Index of the first column, and number of columns. */
  readonly offset: number;
  readonly width: number;
  /** Whether the wide part sums the columns, which follow the columns of all features. */
  readonly isWide?: true;
  readonly composition?: Composition | undefined;
} & InputSource;

/**
 * Composition of looked-up columns to the embedding of a field: a trained matrix projects them to a width, or they are
 * added to the columns of another field (which may be projected), or these are multiplied by 1 plus them. A number
 * becomes a layer of sines and cosines, whose frequencies are trained and have the standard deviation `sigma` at first.
 */
export type Composition =
  | { readonly kind: 'project'; readonly width: number }
  | { readonly kind: 'fourier'; readonly width: number; readonly numFrequencies: number; readonly sigma: number }
  | { readonly kind: 'multiply'; readonly field: string }
  | { readonly kind: 'add'; readonly field: string; readonly isProjected?: true };

/** Source of columns of the model's input. */
export type InputSource =
  | { readonly kind: 'id'; readonly table: string }
  /**
   * Items of the batch, at most `maxItems` per row; or a number between two rows of the table, which are interpolated.
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

/** The model's input: the columns of all fields, concatenated. */
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

/** Returns a layout whose embeddings have several parts of the original width, concatenated in the rows of tables. */
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

/** A wide part: trained scalars per id of some feature groups, which the heads of a model sum. */
export interface WidePart {
  /** Default: all groups with ids. */
  readonly groups?: readonly string[] | undefined;
  /** Number of scalars per id. */
  readonly width: number;
}

/** Returns a layout with a wide part: after the features, fields with a table are looked up in a second one. */
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
  const wideTables = read.map(({ field, table }): TableSpec => {
    const { rows, initialRows, usedRows } = tables.find(({ name }) => name === table)!;
    const growth = {
      ...(initialRows !== undefined && { initialRows }),
      ...(usedRows !== undefined && { usedRows }),
    };
    return { name: wideTable(field), rows, width, idsOf: table, isWide: true, ...growth };
  });
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
      return { ...column, composition: undefined, offset };
    });
  return { width, columns: placed, tables: tables.filter(({ isWide }) => isWide === true) };
}

/** Returns the name of a field's table in the wide part. */
export function wideTable(field: string): string {
  return `wide.${field}`;
}
