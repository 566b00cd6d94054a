import { WORD } from '../compile/buffers.js';

/** Some tables' rows, by process and then by table: how many, and where their numbers lie one behind the other. */
export interface Segments {
  readonly total: number;
  /** Bytes of each process. */
  readonly bytes: Float64Array;
  begin(process: number, table: number): number;
  rows(process: number, table: number): number;
}

/**
 * Segments of so many rows.
 * @param counts by process and then by table
 * @param widths numbers of a row, by table
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
