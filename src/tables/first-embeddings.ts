import { randomStream } from '../core/random.js';

/** Standard deviation of the first embeddings (torch-rechub's). */
const DEVIATION = 1e-4;

/** Rows of a table in some memory: `width` numbers each, `stride` from the first of one to the first of the next. */
export interface TableRows {
  readonly data: Float32Array;
  /** Of the first number that is there. */
  readonly at: number;
  readonly rows: number;
  readonly width: number;
  readonly stride: number;
  /** Where they are dealt out among several, which of them has its rows there, and how many they are. */
  readonly dealt?: { readonly rank: number; readonly size: number };
}

/** Draws a table's first values from N(0, 1e-4²), from a stream of the table's own name. */
export function drawEmbeddings(
  name: string,
  seed: number,
  { data, at, rows, width, stride, dealt: { rank, size } = { rank: 0, size: 1 } }: TableRows,
): void {
  const random = randomStream(seed, 'table', name);
  for (let row = 0; row < rows; row++) {
    const place = row % size === rank ? at + Math.floor(row / size) * stride : undefined;
    // What others have is drawn too: a stream has one order.
    for (let d = 0; d < width; d++) {
      const number = DEVIATION * random.normal();
      if (place !== undefined) data[place + d] = number;
    }
  }
}
