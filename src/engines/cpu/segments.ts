import { WORD } from '../compile/buffers.js';

/** Words that are consecutive by process and then by table. */
export interface Extent {
  readonly total: number;
  /** Bytes of each process. */
  readonly bytes: Float64Array;
  /** Returns the index of the first word. */
  begin(process: number, table: number): number;
}

/** Rows of tables, by process and then by table. */
export interface Segments {
  /** One word per row. */
  readonly rows: Extent;
  /** The elements of each row. */
  readonly elements: Extent;
  count(process: number, table: number): number;
}

/**
 * Computes the segments of rows.
 * @param counts numbers of rows, by process and then by table
 */
export function computeSegments(counts: Uint32Array, tables: readonly { readonly width: number }[]): Segments {
  return {
    rows: extentOf(
      counts,
      tables.map(() => 1),
    ),
    elements: extentOf(
      counts,
      tables.map(({ width }) => width),
    ),
    count: (process, table) => counts[process * tables.length + table]!,
  };
}

function extentOf(counts: Uint32Array, widths: readonly number[]): Extent {
  const begins = new Float64Array(counts.length);
  const bytes = new Float64Array(counts.length / widths.length);
  let total = 0;
  for (let i = 0; i < counts.length; i++) {
    begins[i] = total;
    const words = counts[i]! * widths[i % widths.length]!;
    bytes[Math.floor(i / widths.length)]! += words * WORD;
    total += words;
  }
  return { total, bytes, begin: (process, table) => begins[process * widths.length + table]! };
}
