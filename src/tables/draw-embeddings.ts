import { randomStream } from '../core/random.js';

/** Standard deviation of initial embeddings, as in torch-rechub. */
const STANDARD_DEVIATION = 1e-4;

/** Rows of a table in memory: `width` elements each, at a distance of `stride` elements. */
export interface TableRows {
  readonly data: Float32Array;
  /** Index of the first element in `data`. */
  readonly at: number;
  readonly rows: number;
  readonly width: number;
  readonly stride: number;
  /** Process that stores its shard here, and the number of processes, if the table is sharded. */
  readonly dealt?: { readonly rank: number; readonly size: number };
}

/** Initializes a table from N(0, 1e-4²), with a random stream of its name. */
export function drawEmbeddings(
  name: string,
  seed: number,
  { data, at, rows, width, stride, dealt: { rank, size } = { rank: 0, size: 1 } }: TableRows,
): void {
  const random = randomStream(seed, 'table', name);
  for (let row = 0; row < rows; row++) {
    const begin = row % size === rank ? at + Math.floor(row / size) * stride : undefined;
    // Rows of other processes are drawn too, since a stream has one order.
    for (let d = 0; d < width; d++) {
      const element = STANDARD_DEVIATION * random.normal();
      if (begin !== undefined) data[begin + d] = element;
    }
  }
}

/**
 * Initializes a row that represents a new id, from N(0, 1e-4²), with a random stream of the table, the row and the
 * batch that admits it: a reused row differs from what it was.
 */
export function drawRow(
  name: string,
  seed: number,
  { row, batch }: { readonly row: number; readonly batch: number },
  into: Float32Array,
  width: number,
): void {
  const random = randomStream(seed, 'table', name, row, batch);
  for (let d = 0; d < width; d++) into[d] = STANDARD_DEVIATION * random.normal();
}
