import type { Column } from '../../chunks/column.js';
import { didYouMean, joined, quoted } from '../../core/errors.js';
import { grown } from '../../core/grown.js';
import { vectorError, type VectorFormat } from './format.js';

/** A Parquet file with a column of values and a column of lists of numbers, as `mtl export` writes. */
export const parquet: VectorFormat = {
  name: 'Parquet',
  pattern: /\.(parquet|pq)$/i,
  async read({ file: path, key, value }) {
    // Loaded on demand.
    const { openParquet } = await import('../../data/readers/parquet/open-parquet.js');
    const { header, pieces } = openParquet(path, [key, value]);
    for (const name of [key, value])
      if (!header.includes(name)) {
        const message = joined(`has no column ${quoted(name)}`, didYouMean(name, header));
        throw vectorError(path, message, 'name its columns in initFrom.key and initFrom.value');
      }
    const keys: string[] = [];
    let data = new Float32Array(1 << 16);
    let width: number | undefined;
    for await (const piece of pieces()) {
      // A Parquet file has chunks only.
      if (!('columns' in piece)) continue;
      const [names, vectors] = [piece.columns.get(key)!, piece.columns.get(value)!];
      for (let row = 0; row < piece.rows; row++) {
        const vector = readVector(path, vectors, row, keys.length);
        width ??= vector.length;
        if (vector.length !== width)
          throw vectorError(path, `expected ${width} elements, found ${vector.length}`, 'correct the row', keys.length);
        data = grown(data, (keys.length + 1) * width);
        data.set(vector, keys.length * width);
        keys.push(names.text(row));
      }
    }
    const rows = keys.length;
    return { path, rows, width: width ?? 0, data: data.subarray(0, rows * (width ?? 0)), keyOf: (row) => keys[row]! };
  },
};

function readVector(path: string, column: Column, row: number, fileRow: number): ArrayLike<number> {
  const vector = column.numbersAt?.(row);
  if (vector !== undefined) return vector;
  throw vectorError(path, `expected a list of numbers, found ${column.type}`, 'write lists of float32', fileRow);
}
