import type { ProgramState } from '../engines/engine.js';
import { SINGLE_PROCESS, countLocalRows, type ProcessGroup } from '../core/process-group.js';
import { PART_NUMBERS, type HostTensor } from '../core/tensor.js';

/** Rows of a table that are not those of before, though there were some in their place. */
export type ClearedRows = ReadonlyMap<string, Uint32Array>;

/**
 * The state with which a run starts: what is taken as it was saved, the rest as it was drawn. Rows behind those of
 * before are
 * the drawn ones, whose optimizer has seen nothing yet.
 * @param drawn the state of a program that has taken no step, whose tensors may be views
 * @param saved has every tensor that is taken, with the width of the drawn one and no more rows; no optimizer to begin
 * with a new one
 * @param taken names of weights
 * @param cleared by name of a table's tensor
 * @param peers among whom tensors are dealt out of which the drawn state has this one's rows
 */
export function mergedState(
  drawn: ProgramState,
  saved: ProgramState,
  taken: ReadonlySet<string>,
  cleared: ClearedRows,
  peers: ProcessGroup = SINGLE_PROCESS,
): ProgramState {
  const hasOptimizer = saved.optimizer.size > 0;
  const whole = (name: string, tensor: HostTensor): HostTensor => {
    const rows = drawn.dealt?.get(name);
    return rows === undefined ? tensor : spread(tensor, rows, peers);
  };
  const merged = (
    name: string,
    weight: string,
    tensor: HostTensor,
    from: ReadonlyMap<string, HostTensor>,
  ): [string, HostTensor] => [
    name,
    taken.has(weight)
      ? overlaid(whole(name, tensor), from.get(name)!, cleared.get(weight))
      : whole(name, { shape: tensor.shape, data: tensor.data.slice() }),
  ];
  return {
    step: hasOptimizer ? saved.step : 0,
    weights: new Map([...drawn.weights].map(([name, tensor]) => merged(name, name, tensor, saved.weights))),
    // The name of a slot stands behind that of its weight.
    optimizer: new Map(
      hasOptimizer
        ? [...drawn.optimizer].map(([name, tensor]) =>
            merged(name, name.slice(0, name.lastIndexOf('.')), tensor, saved.optimizer),
          )
        : [],
    ),
  };
}

/**
 * The rows that were saved, and those of a drawn tensor where none was. The drawn ones are copied now, for they are
 * overwritten.
 */
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

/**
 * A tensor that is dealt out, as one of all rows: those of this process where they lie among all, for its own it takes
 * again; the others are 0.
 */
function spread(own: HostTensor, rows: number, peers: ProcessGroup): HostTensor {
  const { rank, size } = peers;
  const shape = own.shape.with(0, rows);
  const width = shape[1] ?? 1;
  const readRows = (begin: number, into: Float32Array): Float32Array => {
    const { data } = own;
    into.fill(0);
    for (let row = countLocalRows(begin, peers); row * size + rank < begin + into.length / width; row++)
      into.set(data.subarray(row * width, (row + 1) * width), (row * size + rank - begin) * width);
    return into;
  };
  return {
    shape,
    get data() {
      return readRows(0, new Float32Array(rows * width));
    },
    *parts() {
      const most = Math.max(1, Math.min(rows, Math.floor(PART_NUMBERS / width)));
      for (let begin = 0; begin < rows; begin += most)
        yield readRows(begin, new Float32Array(Math.min(most, rows - begin) * width));
    },
  };
}
