/** Labels and predictions of some rows, arrays of one length; they are filled anew for the next chunk. */
export interface Chunk {
  readonly labels: Float32Array;
  readonly predictions: Float32Array;
}
