import type { Pooling } from '../../tables/layout.js';
import { BATCH, itemRows, type ItemRows } from './items.js';
import { ELEMENT_TYPES } from './messages.js';
import type { OnnxGraph } from './onnx-graph.js';

/** The items of a bag as graph values, and their pooling. */
export interface BagInputs {
  readonly weights: string;
  /** Emits Σ factor · embedding of each row. */
  pool(embeddings: string, pooling: Pooling): string;
}

/** Input format of the bags of a batch, by its command line name. */
export type BagForm = 'offsets' | 'padded';

/** An input format: the dimensions of items, and further inputs. */
interface Form {
  readonly shape: (field: string) => readonly string[];
  inputs(onnx: OnnxGraph, field: string): BagInputs;
}

const toDouble = (onnx: OnnxGraph, x: string): string => onnx.node('Cast', [x], { to: ELEMENT_TYPES.double });
const toFloat = (onnx: OnnxGraph, x: string): string => onnx.node('Cast', [x], { to: ELEMENT_TYPES.float });

/** Emits the scale of each row in float64 like the kernels: 1 / Σ w or 1 / √Σ w², or 0 if the divisor is 0. */
function rowScales(
  onnx: OnnxGraph,
  weights: string,
  pooling: Exclude<Pooling, 'sum'>,
  sumRows: (x: string) => string,
): string {
  const divisor =
    pooling === 'mean' ? sumRows(weights) : onnx.node('Sqrt', [sumRows(onnx.node('Mul', [weights, weights]))]);
  const zero = onnx.number(0, 'double');
  return onnx.node('Where', [onnx.node('Equal', [divisor, zero]), zero, onnx.node('Reciprocal', [divisor])]);
}

/** Emits the factor of each item: its weight, divided as the pooling says. */
export function itemFactors(onnx: OnnxGraph, weights: string, pooling: Pooling, { numRows, rowOf }: ItemRows): string {
  if (pooling === 'sum') return weights;
  const doubles = toDouble(onnx, weights);
  const sumRows = (x: string): string =>
    onnx.node('ScatterElements', [onnx.node('Expand', [onnx.number(0, 'double'), numRows]), rowOf, x], {
      axis: 0,
      reduction: 'add',
    });
  const scales = onnx.node('Gather', [rowScales(onnx, doubles, pooling, sumRows), rowOf]);
  return toFloat(onnx, onnx.node('Mul', [doubles, scales]));
}

/** All input formats of bags. */
export const BAG_FORMS: { readonly [Form_ in BagForm]: Form } = {
  // Concatenated items, and the offset of each row plus the total: PyTorch's EmbeddingBag with include_last_offset.
  offsets: {
    shape: (field) => [`items of ${field}`],
    inputs: (onnx, field) =>
      offsetBag(
        onnx,
        onnx.input({ name: `${field}.weights`, type: 'float', shape: [`items of ${field}`] }),
        itemRows(onnx, field),
      ),
  },

  // Padded to the longest bag; padding has weight 0.
  padded: {
    shape: (field) => [BATCH, `longest of ${field}`],
    inputs: (onnx, field) =>
      paddedBag(
        onnx,
        onnx.input({
          name: `${field}.weights`,
          type: 'float',
          shape: [BATCH, `longest of ${field}`],
          about: '0 for padding',
        }),
      ),
  },
};

/** Emits bags as the weights of concatenated items. */
export function offsetBag(onnx: OnnxGraph, weights: string, rows: ItemRows): BagInputs {
  const one = onnx.ints(1);
  return {
    weights,
    pool(embeddings, pooling) {
      const factors = itemFactors(onnx, weights, pooling, rows);
      const weighted = onnx.node('Mul', [embeddings, onnx.node('Unsqueeze', [factors, one])]);
      const shape = onnx.node('Shape', [weighted]);
      const width = onnx.node('Slice', [shape, one, onnx.ints(2)]);
      const zeros = onnx.node('Expand', [
        onnx.number(0, 'float'),
        onnx.node('Concat', [rows.numRows, width], { axis: 0 }),
      ]);
      const indices = onnx.node('Expand', [onnx.node('Unsqueeze', [rows.rowOf, one]), shape]);
      // ScatterND would race if a row has several items (https://github.com/microsoft/onnxruntime/issues/18048).
      return onnx.node('ScatterElements', [zeros, indices, weighted], { axis: 0, reduction: 'add' });
    },
  };
}

/** Emits bags as weights of shape `[batch, longest]`. */
export function paddedBag(onnx: OnnxGraph, weights: string): BagInputs {
  const one = onnx.ints(1);
  return {
    weights,
    pool(embeddings, pooling) {
      const doubles = toDouble(onnx, weights);
      const sumRows = (x: string): string => onnx.node('ReduceSum', [x, one], { keepdims: 1 });
      const factors =
        pooling === 'sum'
          ? weights
          : toFloat(onnx, onnx.node('Mul', [doubles, rowScales(onnx, doubles, pooling, sumRows)]));
      return onnx.node(
        'ReduceSum',
        [onnx.node('Mul', [embeddings, onnx.node('Unsqueeze', [factors, onnx.ints(2)])]), one],
        { keepdims: 0 },
      );
    },
  };
}
