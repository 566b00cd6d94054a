import { randomStream } from '../random.js';

/** Standard deviation of the first embeddings (torch-rechub's). */
const DEVIATION = 1e-4;

/** Rows of a table in some memory: `width` numbers each, `stride` from the first of one to the first of the next. */
export interface TableRows {
  readonly data: Float32Array;
  /** Of the first number. */
  readonly at: number;
  readonly rows: number;
  readonly width: number;
  readonly stride: number;
}

/** Draws a table's first values from N(0, 1e-4²), from a stream of the table's own name. */
export function drawEmbeddings(name: string, seed: number, { data, at, rows, width, stride }: TableRows): void {
  const random = randomStream(seed, 'table', name);
  for (let row = 0; row < rows; row++) for (let d = 0; d < width; d++) data[at + row * stride + d] = DEVIATION * random.normal();
}
