import type { ProgramState } from '../engines/engine.js';
import type { HostTensor } from '../tensor.js';

/** Rows of a table that are not those of before, though there were some in their place. */
export type ClearedRows = ReadonlyMap<string, Uint32Array>;

/**
 * The state with which a run starts: what is taken as it was saved, the rest as it was drawn. Rows behind those of before are
 * the drawn ones, whose optimizer has seen nothing yet.
 * @param drawn the state of a program that has taken no step, whose tensors may be views
 * @param saved has every tensor that is taken, with the width of the drawn one and no more rows; no optimizer to begin with a new one
 * @param taken names of weights
 * @param cleared by name of a table's tensor
 */
export function mergedState(drawn: ProgramState, saved: ProgramState, taken: ReadonlySet<string>, cleared: ClearedRows): ProgramState {
  const hasOptimizer = saved.optimizer.size > 0;
  const merged = (name: string, weight: string, tensor: HostTensor, from: ReadonlyMap<string, HostTensor>): [string, HostTensor] => [
    name,
    taken.has(weight) ? overlaid(tensor, from.get(name)!, cleared.get(weight)) : { shape: tensor.shape, data: tensor.data.slice() },
  ];
  return {
    step: hasOptimizer ? saved.step : 0,
    weights: new Map([...drawn.weights].map(([name, tensor]) => merged(name, name, tensor, saved.weights))),
    // The name of a slot stands behind that of its weight.
    optimizer: new Map(hasOptimizer ? [...drawn.optimizer].map(([name, tensor]) => merged(name, name.slice(0, name.lastIndexOf('.')), tensor, saved.optimizer)) : []),
  };
}

/** The rows that were saved, and those of a drawn tensor where none was. The drawn ones are copied now, for they are overwritten. */
function overlaid(drawn: HostTensor, saved: HostTensor, cleared: Uint32Array = new Uint32Array(0)): HostTensor {
  const { shape } = drawn;
  if (cleared.length === 0 && shape[0] === saved.shape[0]) return saved;
  const width = shape[1] ?? 1;
  const [numRows, numSaved] = [shape[0]!, saved.shape[0]!];
  const all = drawn.data;
  const cells = new Float32Array(cleared.length * width);
  for (const [i, row] of cleared.entries()) cells.set(all.subarray(row * width, (row + 1) * width), i * width);
  const behind = all.slice(numSaved * width);
  return {
    shape,
    // Put together when it is asked for: of large tables there is one at a time.
    get data() {
      const data = new Float32Array(numRows * width);
      data.set(saved.data);
      data.set(behind, numSaved * width);
      for (const [i, row] of cleared.entries()) data.set(cells.subarray(i * width, (i + 1) * width), row * width);
      return data;
    },
  };
}
