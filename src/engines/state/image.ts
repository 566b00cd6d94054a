import { WORD, type Ref } from '../compile/buffers.js';
import type { TablePlace } from '../compile/tables.js';
import { rowsAt, type ExternalTable } from './external-tables.js';
import type { MemoryPlan } from './memory-plan.js';

/** The rows of a table: floats, and the index of the first row among them. */
export interface TableRows {
  readonly floats: Float32Array;
  readonly first: number;
}

/** Memory in which every buffer of a program has an address. */
export interface Image {
  readonly floats: Float32Array;
  readonly words: Uint32Array;
  readonly doubles: Float64Array;
  /** Returns the index of a position among words (and floats; doubles have half of it). */
  wordAt(ref: Ref): number;
  rowsOf(table: Pick<TablePlace, 'at'>): TableRows;
}

/**
 * Creates the views of a memory.
 * @param external tables in memory of their own
 */
export function createImage(
  buffer: ArrayBufferLike,
  { addresses }: MemoryPlan,
  external: readonly ExternalTable[] = [],
): Image {
  const floats = new Float32Array(buffer);
  const addressOf = ({ buffer: of, offset }: Ref): number => addresses.get(of)! + offset * WORD;
  return {
    floats,
    words: new Uint32Array(buffer),
    doubles: new Float64Array(buffer),
    wordAt: (ref) => addressOf(ref) / WORD,
    rowsOf: ({ at }) => rowsAt(addressOf(at), floats, external),
  };
}
