import { randomStream } from '../random.js';

/** Standard deviation of the first embeddings (torch-rechub's). */
const DEVIATION = 1e-4;

/** Draws a table's first values from N(0, 1e-4²), from a stream of the table's own name. */
export function drawEmbeddings(table_VD: Float32Array, name: string, seed: number): void {
  const random = randomStream(seed, 'table', name);
  for (let i = 0; i < table_VD.length; i++) table_VD[i] = DEVIATION * random.normal();
}
