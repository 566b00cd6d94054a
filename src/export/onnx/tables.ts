import { tableTensor } from '../../engines/engine.js';
import { getWeights, type ExportedModel } from '../model.js';
import { quantizeRows } from '../quantize.js';
import { ELEMENT_TYPES } from './messages.js';
import type { OnnxGraph } from './onnx-graph.js';

/** Emits a table lookup: ids of any shape to embeddings with one more dimension. */
export type Lookup = (table: string, ids: string) => string;

/**
 * Creates a table lookup. A negative id would count from the end of the table; it is mapped beyond the end, so that the
 * runtime rejects it like any invalid id.
 * @param isQuantized whether tables are stored in 8 bits with a scale per row
 */
export function tableLookup(onnx: OnnxGraph, model: ExportedModel, isQuantized: boolean): Lookup {
  return (table, ids) => {
    const name = tableTensor(table);
    const weights = getWeights(model, name);
    const row = onnx.node('Where', [
      onnx.node('Less', [ids, onnx.number(0, 'int64')]),
      onnx.number(weights.shape[0]!, 'int64'),
      ids,
    ]);
    if (!isQuantized) return onnx.node('Gather', [onnx.tensor(name, weights), row]);
    const quantized = quantizeRows(weights);
    const values = onnx.initializer(
      name,
      'int8',
      weights.shape,
      weights.data.length,
      () => new Uint8Array(quantized.values().buffer),
    );
    const scales = onnx.tensor(`${name}.scales`, { shape: [quantized.scales.length], data: quantized.scales });
    const numbers = onnx.node('Cast', [onnx.node('Gather', [values, row])], { to: ELEMENT_TYPES.float });
    return onnx.node('Mul', [numbers, onnx.node('Unsqueeze', [onnx.node('Gather', [scales, row]), onnx.ints(-1)])]);
  };
}
