import { WORD } from '../compile/buffers.js';

/** Rows of tables, by process and then by table: their counts and the offsets of their contiguous elements. */
export interface Segments {
  readonly total: number;
  /** Bytes of each process. */
  readonly bytes: Float64Array;
  begin(process: number, table: number): number;
  rows(process: number, table: number): number;
}

/**
 * Computes the segments of rows.
 * @param counts by process and then by table
 * @param widths elements per row, by table
 */
export function segmentsOf(counts: Uint32Array, widths: readonly number[]): Segments {
  const size = counts.length / widths.length;
  const begins = new Float64Array(counts.length);
  const bytes = new Float64Array(size);
  let total = 0;
  for (let i = 0; i < counts.length; i++) {
    begins[i] = total;
    const numbers = counts[i]! * widths[i % widths.length]!;
    bytes[Math.floor(i / widths.length)]! += numbers * WORD;
    total += numbers;
  }
  return {
    total,
    bytes,
    begin: (process, table) => begins[process * widths.length + table]!,
    rows: (process, table) => counts[process * widths.length + table]!,
  };
}
