import { z } from 'zod';
import { tableTensor } from '../engines/engine.js';
import { computeRowScale, quantizeElement } from '../tables/row-formats.js';
import type { HostTensor } from '../core/tensor.js';
import { getWeights, type ExportedModel } from './model.js';

/** Option of formats that support quantized tables. */
export const quantizeOption = z
  .enum(['int8'])
  .optional()
  .describe('Quantization of tables to 8-bit integers with a scale per row');

/** An int8 table: row r is values[r] · scales[r]. */
export interface QuantizedTable {
  readonly shape: readonly number[];
  readonly scales: Float32Array;
  /** Computed on demand, since a large table is needed only while it is written. */
  values(): Int8Array;
}

/** Quantizes a table with one scale per row: its largest absolute value becomes ±127. */
export function quantizeRows({ shape, data }: HostTensor): QuantizedTable {
  const [rows, width] = [shape[0]!, shape[1]!];
  const scales = new Float32Array(rows);
  for (let row = 0; row < rows; row++) scales[row] = computeRowScale(data, row * width, width);
  return {
    shape,
    scales,
    values() {
      const values = new Int8Array(data.length);
      for (let row = 0, index = 0; row < rows; row++) {
        const scale = scales[row]!;
        for (const end = index + width; index < end; index++) values[index] = quantizeElement(data[index]!, scale);
      }
      return values;
    },
  };
}

/** Returns the values of a quantized table. */
function dequantize({ shape, scales, values }: QuantizedTable): HostTensor {
  const width = shape[1]!;
  return { shape, data: Float32Array.from(values(), (value, i) => value * scales[Math.floor(i / width)]!) };
}

/** Returns the weights of a model after quantization. */
export function approximateTables(model: ExportedModel): ReadonlyMap<string, HostTensor> {
  const tables = model.layout.tables.map(({ name }) => tableTensor(name));
  return new Map([
    ...model.weights,
    ...tables.map((name) => [name, dequantize(quantizeRows(getWeights(model, name)))] as const),
  ]);
}
