import { murmur3 } from '../core/murmur.js';

/**
 * Returns the fold of each row: MurmurHash3 of its features modulo the number of folds. Rows with equal features share
 * a fold, so the trees of a fold have seen no copy of its rows, and a row needs no position to be found again.
 * @param features `[rows, width]`, row by row
 * @param folds their number, at most 256
 */
export function assignFolds(features: Float32Array, width: number, folds: number): Uint8Array {
  const bytes = new Uint8Array(features.buffer, features.byteOffset, features.byteLength);
  const rowBytes = width * Float32Array.BYTES_PER_ELEMENT;
  return Uint8Array.from(
    { length: bytes.length / rowBytes },
    (_, row) => murmur3(bytes, row * rowBytes, (row + 1) * rowBytes, 0) % folds,
  );
}
