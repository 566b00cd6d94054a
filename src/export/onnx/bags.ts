import type { Pooling } from '../../tables/layout.js';
import { ELEMENT_TYPES } from './messages.js';
import type { OnnxGraph } from './onnx-graph.js';

/** The name of the free dimension that all inputs share. */
export const BATCH = 'batch';

/** The items of a bag as values of a graph, and how they are pooled. */
export interface BagInputs {
  readonly weights: string;
  /** Σ factor · embedding of each row. */
  pool(embeddings: string, pooling: Pooling): string;
}

/** How the bags of a batch are handed over, by its name on the command line. */
export type BagForm = 'offsets' | 'padded';

/** A form: which dimensions its items have, and its other inputs. */
interface Form {
  readonly shape: (field: string) => readonly string[];
  inputs(onnx: OnnxGraph, field: string): BagInputs;
}

const toDouble = (onnx: OnnxGraph, x: string): string => onnx.node('Cast', [x], { to: ELEMENT_TYPES.double });
const toFloat = (onnx: OnnxGraph, x: string): string => onnx.node('Cast', [x], { to: ELEMENT_TYPES.float });

/**
 * What weights become, in numbers of 64 bits as the kernels compute it: 1 / Σ w of each row, or 1 / √Σ w², 0 where
 * there is
 * nothing to divide by.
 */
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

/** Every way in which the bags of a batch may be handed over. */
export const BAG_FORMS: { readonly [Form_ in BagForm]: Form } = {
  // Items of all rows one after the other, and where each row begins, with the end of the last: PyTorch's EmbeddingBag
  // with
  // include_last_offset.
  offsets: {
    shape: (field) => [`items of ${field}`],
    inputs(onnx, field) {
      const weights = onnx.input({ name: `${field}.weights`, type: 'float', shape: [`items of ${field}`] });
      const offsets = onnx.input({
        name: `${field}.offsets`,
        type: 'int64',
        shape: [`${BATCH} + 1`],
        about: 'where the items of each row begin, and behind the last where they end',
      });
      const [one, zero] = [onnx.ints(1), onnx.ints(0)];
      const numRows = onnx.node('Sub', [onnx.node('Shape', [offsets]), one]);
      const numItems = onnx.node('Shape', [weights]);
      const zeros = (shape: string, type: 'float' | 'double' | 'int64'): string =>
        onnx.node('Expand', [onnx.number(0, type), shape]);
      // A row of each item: how many rows begin at it or before, but for the first.
      const begins = onnx.node('Slice', [offsets, one, numRows]);
      const marks = onnx.node(
        'ScatterElements',
        [
          zeros(onnx.node('Add', [numItems, one]), 'int64'),
          begins,
          onnx.node('Expand', [onnx.number(1, 'int64'), onnx.node('Shape', [begins])]),
        ],
        { axis: 0, reduction: 'add' },
      );
      const rowOf = onnx.node('Slice', [onnx.node('CumSum', [marks, onnx.number(0, 'int64')]), zero, numItems]);
      return {
        weights,
        pool(embeddings, pooling) {
          // ScatterND would race where a row has several items (https://github.com/microsoft/onnxruntime/issues/18048).
          const sumRows = (x: string): string =>
            onnx.node('ScatterElements', [zeros(numRows, 'double'), rowOf, x], { axis: 0, reduction: 'add' });
          const doubles = toDouble(onnx, weights);
          const factors =
            pooling === 'sum'
              ? weights
              : toFloat(
                  onnx,
                  onnx.node('Mul', [doubles, onnx.node('Gather', [rowScales(onnx, doubles, pooling, sumRows), rowOf])]),
                );
          const weighted = onnx.node('Mul', [embeddings, onnx.node('Unsqueeze', [factors, one])]);
          const shape = onnx.node('Shape', [weighted]);
          const width = onnx.node('Slice', [shape, one, onnx.ints(2)]);
          const places = onnx.node('Expand', [onnx.node('Unsqueeze', [rowOf, one]), shape]);
          return onnx.node(
            'ScatterElements',
            [zeros(onnx.node('Concat', [numRows, width], { axis: 0 }), 'float'), places, weighted],
            { axis: 0, reduction: 'add' },
          );
        },
      };
    },
  },

  // As many places a row as the fullest has items; those without one have weight 0.
  padded: {
    shape: (field) => [BATCH, `longest of ${field}`],
    inputs: (onnx, field) =>
      paddedBag(
        onnx,
        onnx.input({
          name: `${field}.weights`,
          type: 'float',
          shape: [BATCH, `longest of ${field}`],
          about: '0 where a row has no item',
        }),
      ),
  },
};

/** Bags as their weights, `[batch, longest]`. */
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
