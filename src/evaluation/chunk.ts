/** Labels and predictions of some rows, in arrays of equal length that are reused for the next chunk. */
export interface Chunk {
  readonly labels: Float32Array;
  readonly predictions: Float32Array;
}
