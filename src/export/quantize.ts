import { z } from 'zod';
import { tableTensor } from '../engines/engine.js';
import type { HostTensor } from '../core/tensor.js';
import { getWeights, type ExportedModel } from './model.js';

/** The option of formats that can store tables in fewer bits. */
export const quantizeOption = z
  .enum(['int8'])
  .optional()
  .describe('Quantization of tables to 8-bit integers with a scale per row');

/** A table in whole numbers of 8 bits: row r of it is values[r] · scales[r]. */
export interface QuantizedTable {
  readonly shape: readonly number[];
  readonly scales: Float32Array;
  /** Computed when they are asked for: of a large table, they are needed only while they are written. */
  values(): Int8Array;
}

/** Symmetric, so that 0 stays 0. */
const LARGEST = 127;

/** A table whose rows each have a scale of their own: the largest number of a row becomes 127 or -127. */
export function quantizeRows({ shape, data }: HostTensor): QuantizedTable {
  const [rows, width] = [shape[0]!, shape[1]!];
  const scales = new Float32Array(rows);
  for (let row = 0, at = 0; row < rows; row++) {
    let largest = 0;
    for (const end = at + width; at < end; at++) largest = Math.max(largest, Math.abs(data[at]!));
    scales[row] = largest / LARGEST;
  }
  return {
    shape,
    scales,
    values() {
      const values = new Int8Array(data.length);
      for (let row = 0, at = 0; row < rows; row++) {
        const scale = scales[row]!;
        for (const end = at + width; at < end; at++)
          values[at] = scale === 0 ? 0 : Math.max(-LARGEST, Math.min(LARGEST, Math.round(data[at]! / scale)));
      }
      return values;
    },
  };
}

/** The numbers that a quantized table stands for. */
function dequantize({ shape, scales, values }: QuantizedTable): HostTensor {
  const width = shape[1]!;
  return { shape, data: Float32Array.from(values(), (value, i) => value * scales[Math.floor(i / width)]!) };
}

/** The weights of a model whose tables are quantized, as whoever reads them has them. */
export function approximateTables(model: ExportedModel): ReadonlyMap<string, HostTensor> {
  const tables = model.layout.tables.map(({ name }) => tableTensor(name));
  return new Map([
    ...model.weights,
    ...tables.map((name) => [name, dequantize(quantizeRows(getWeights(model, name)))] as const),
  ]);
}
