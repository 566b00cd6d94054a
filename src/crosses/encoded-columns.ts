import type { RowBlock } from '../data/rows/row-block.js';
import type { EncodedField } from '../features/feature-types.js';
import { createQuantiles } from '../features/quantiles.js';

/** A field of some rows, as whole numbers from 0 on: alike where it says the same. */
export interface EncodedColumns {
  readonly name: string;
  readonly codes: Uint32Array;
  /** Every code is below. */
  readonly size: number;
  /** The column that a cross would be made of, where it has one whose texts say what the codes do. */
  readonly column?: string;
}

/** Ranges of a number that has too many values to tell them apart. */
const NUMBER_BINS = 32;
/** A number with more values has a text for hardly any two rows. */
const MAX_NUMBER_VALUES = 64;
/** Ids below are counted in a list, others in a map. */
const LISTED_IDS = 1 << 22;

/**
 * The fields of some rows that have one value a row: ids, and numbers in ranges. Bags and vectors are left out.
 * @param rows which of the block's rows are wanted, in their order
 */
export function codedFields(
  block: RowBlock,
  rows: Uint32Array,
  fields: readonly EncodedField[],
): readonly EncodedColumns[] {
  return fields.flatMap(({ name, kind, columns, rows: size }): EncodedColumns[] => {
    const [column] = columns as [string];
    if (kind === 'id')
      return [
        {
          name,
          ...coded(block.ids.get(name)!, rows, size),
          ...(columns.length === 1 && column === name && { column }),
        },
      ];
    if (kind !== 'number') return [];
    const values = block.numbers.get(name)!;
    const different = new Set<number>();
    for (let i = 0; i < rows.length && different.size <= MAX_NUMBER_VALUES; i++) different.add(values[rows[i]!]!);
    if (different.size <= MAX_NUMBER_VALUES)
      return [{ name, ...coded(values, rows, Infinity), ...(column === name && { column }) }];
    return [{ name, ...binned(values, rows) }];
  });
}

/** Numbers the values in the order in which they come. */
function coded(
  values: Uint32Array | Float32Array,
  rows: Uint32Array,
  below: number,
): Pick<EncodedColumns, 'codes' | 'size'> {
  const codes = new Uint32Array(rows.length);
  let size = 0;
  if (below <= LISTED_IDS) {
    const codeOf = new Uint32Array(below);
    for (let i = 0; i < rows.length; i++) codes[i] = (codeOf[values[rows[i]!]!] ||= ++size) - 1;
    return { codes, size };
  }
  const codeOf = new Map<number, number>();
  for (let i = 0; i < rows.length; i++) {
    const value = values[rows[i]!]!;
    let code = codeOf.get(value);
    if (code === undefined) codeOf.set(value, (code = size++));
    codes[i] = code;
  }
  return { codes, size };
}

function binned(values: Float32Array, rows: Uint32Array): Pick<EncodedColumns, 'codes' | 'size'> {
  const quantiles = createQuantiles();
  for (let i = 0; i < rows.length; i++) quantiles.observe(values[rows[i]!]!);
  const boundaries = quantiles.boundaries(NUMBER_BINS);
  const codes = Uint32Array.from(rows, (row) => {
    let bin = 0;
    while (bin < boundaries.length && boundaries[bin]! <= values[row]!) bin++;
    return bin;
  });
  return { codes, size: boundaries.length + 1 };
}

/** Two fields as one: a code for each combination that is there. */
export function combined(a: EncodedColumns, b: EncodedColumns): EncodedColumns {
  const codes = new Uint32Array(a.codes.length);
  const codeOf = new Map<number, number>();
  for (let i = 0; i < codes.length; i++) {
    const both = a.codes[i]! * b.size + b.codes[i]!;
    let code = codeOf.get(both);
    if (code === undefined) codeOf.set(both, (code = codeOf.size));
    codes[i] = code;
  }
  return { name: `${a.name} × ${b.name}`, codes, size: codeOf.size };
}
