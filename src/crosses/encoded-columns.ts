import { column } from '../core/batch.js';
import type { RowBlock } from '../chunks/row-block.js';
import { countAtMost } from '../core/count-at-most.js';
import type { EncodedField } from '../features/feature.js';
import { Quantiles } from '../core/quantiles.js';

/** A field as integer codes from 0: equal values have equal codes. */
export interface EncodedColumns {
  readonly name: string;
  readonly codes: Uint32Array;
  /** Number of distinct codes. */
  readonly size: number;
  /** The column to build a cross from; undefined if its strings do not correspond to the codes. */
  readonly column?: string;
}

/** Number of bins for numbers with too many distinct values. */
export const NUMBER_BINS = 32;
/** Maximum number of distinct values of a number without binning. */
export const MAX_NUMBER_VALUES = 64;
/** Maximum number of ids to encode through an array in place of a map. */
const MAX_ARRAY_IDS = 1 << 22;

/**
 * Encodes fields with one value per row: ids, and numbers, which may be binned. Bags and vectors are skipped.
 * @param rows the rows of the block to encode, in order
 */
export function encodeFields(
  block: RowBlock,
  rows: Uint32Array,
  fields: readonly EncodedField[],
): readonly EncodedColumns[] {
  return fields.flatMap(({ name, kind, columns, computed, rows: size }): EncodedColumns[] => {
    const source = computed === undefined ? columns[0]! : undefined;
    if (kind === 'id')
      return [
        {
          name,
          ...encodeValues(column(block, name, 'u32').data, rows, size),
          ...(columns.length === 1 && source === name && { column: source }),
        },
      ];
    if (kind !== 'number') return [];
    const values = column(block, name, 'f32').data;
    const different = new Set<number>();
    for (let i = 0; i < rows.length && different.size <= MAX_NUMBER_VALUES; i++) different.add(values[rows[i]!]!);
    if (different.size <= MAX_NUMBER_VALUES)
      return [{ name, ...encodeValues(values, rows, Infinity), ...(source === name && { column: source }) }];
    return [{ name, ...binValues(values, rows) }];
  });
}

/** Assigns codes in order of first occurrence. */
function encodeValues(
  values: Uint32Array | Float32Array,
  rows: Uint32Array,
  numIds: number,
): Pick<EncodedColumns, 'codes' | 'size'> {
  const codes = new Uint32Array(rows.length);
  let size = 0;
  if (numIds <= MAX_ARRAY_IDS) {
    const codeByValue = new Uint32Array(numIds);
    for (let i = 0; i < rows.length; i++) codes[i] = (codeByValue[values[rows[i]!]!] ||= ++size) - 1;
    return { codes, size };
  }
  const codeByValue = new Map<number, number>();
  for (let i = 0; i < rows.length; i++) {
    const value = values[rows[i]!]!;
    let code = codeByValue.get(value);
    if (code === undefined) codeByValue.set(value, (code = size++));
    codes[i] = code;
  }
  return { codes, size };
}

function binValues(values: Float32Array, rows: Uint32Array): Pick<EncodedColumns, 'codes' | 'size'> {
  const quantiles = new Quantiles();
  for (let i = 0; i < rows.length; i++) quantiles.observe(values[rows[i]!]!);
  const boundaries = quantiles.boundaries(NUMBER_BINS);
  const codes = Uint32Array.from(rows, (row) => countAtMost(boundaries, values[row]!));
  return { codes, size: boundaries.length + 1 };
}

/** Combines two fields: one code per occurring pair. */
export function combineFields(a: EncodedColumns, b: EncodedColumns): EncodedColumns {
  const codes = new Uint32Array(a.codes.length);
  const codeByValue = new Map<number, number>();
  for (let i = 0; i < codes.length; i++) {
    const both = a.codes[i]! * b.size + b.codes[i]!;
    let code = codeByValue.get(both);
    if (code === undefined) codeByValue.set(both, (code = codeByValue.size));
    codes[i] = code;
  }
  return { name: `${a.name} × ${b.name}`, codes, size: codeByValue.size };
}
