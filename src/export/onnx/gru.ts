import type { Emit } from './emission.js';
import { BATCH } from './items.js';
import type { Graph } from './messages.js';
import { OnnxGraph } from './onnx-graph.js';
import { padded } from './padded.js';

/** Emits the states of a gated recurrent unit, as a scan over padded rows. */
export const emitGru: Emit<'segmentGru'> = ({ x, weight, bias, attention, width }, emission) => {
  const { onnx } = emission;
  const { pad, unpad } = padded(x.rows, emission);
  const items = pad(x);
  const numRows = onnx.node('Slice', [onnx.node('Shape', [items]), onnx.ints(0), onnx.ints(1)]);
  const zeros = onnx.node('Expand', [
    onnx.number(0, 'float'),
    onnx.node('Concat', [numRows, onnx.ints(width)], { axis: 0 }),
  ]);
  const read = [items, ...(attention === undefined ? [] : [pad(attention)])];
  const parameters = [weight, bias].map((each) => onnx.tensor(each.name, emission.weights(each)));
  // Padding comes after the items of a row, so that no state of an item depends on it.
  const [, states] = onnx.nodeOf(
    undefined,
    'Scan',
    [zeros, ...read],
    {
      body: { graph: gruStep(onnx, parameters as [string, string], width, attention !== undefined) },
      num_scan_inputs: read.length,
      scan_input_axes: read.map(() => 1),
      scan_output_axes: [1],
    },
    2,
  );
  return unpad(states!, width);
};

/**
 * Returns the graph of an item of a recurrent unit: from the state before it, its inputs and its attention to its
 * state, as the next one and as a result.
 */
function gruStep(within: OnnxGraph, [weight, bias]: [string, string], width: number, hasAttention: boolean): Graph {
  const onnx = new OnnxGraph([], within);
  const input = (name: string, columns: number): string =>
    onnx.input({ name: `/gru.${name}`, type: 'float', shape: [BATCH, columns] });
  const [before, x] = [input('before', width), input('x', 3 * width)];
  const attention = hasAttention ? input('attention', 1) : undefined;
  const product = onnx.node('Gemm', [before, weight, bias]);
  const gate = (of: string, g: number): string =>
    onnx.node('Slice', [of, onnx.ints(g * width), onnx.ints((g + 1) * width), onnx.ints(1)]);
  const sum = (g: number): string => onnx.node('Add', [gate(x, g), gate(product, g)]);
  const reset = onnx.node('Sigmoid', [sum(0)]);
  const update = onnx.node('Sigmoid', [onnx.node('Neg', [sum(1)])]);
  const candidate = onnx.node('Tanh', [onnx.node('Add', [gate(x, 2), onnx.node('Mul', [reset, gate(product, 2)])])]);
  const share = attention === undefined ? update : onnx.node('Mul', [update, attention]);
  const change = onnx.node('Mul', [share, onnx.node('Sub', [candidate, before])]);
  const next = onnx.node('Add', [before, change]);
  for (const name of ['next', 'state'])
    onnx.output(next, { name: `/gru.${name}`, type: 'float', shape: [BATCH, width] });
  return { name: 'gru', nodes: onnx.nodes, inputs: onnx.inputs, outputs: onnx.outputs };
}
