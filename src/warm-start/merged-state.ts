import type { ProgramState } from '../engines/engine.js';
import { SINGLE_PROCESS, countLocalRows, type ProcessGroup } from '../core/process-group.js';
import { PART_NUMBERS, type HostTensor } from '../core/tensor.js';

/** Rows of tables to reinitialize, although the checkpoint has rows in their place. */
export type ClearedRows = ReadonlyMap<string, Uint32Array>;

/**
 * Merges a checkpoint into a new model: loaded tensors from `saved`, all others from `drawn`. Additional rows keep
 * their random initialization and have no optimizer state yet.
 * @param drawn state of a program before its first step; tensors may be views
 * @param saved has all loaded tensors, with equal widths and no more rows; an empty optimizer resets it
 * @param taken names of loaded weights
 * @param cleared by tensor name of the table
 * @param peers ranks that shard tensors; the drawn state has this rank's rows
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
    // A slot is named `WEIGHT.SLOT`.
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
 * Returns the saved rows, with drawn rows where none was saved. Copies the drawn rows at once, because their memory is
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
    // Built on access, so that only one large table is in memory at a time.
    get data() {
      const data = new Float32Array(numRows * width);
      data.set(saved.data);
      data.set(behind, numSaved * width);
      for (const [i, row] of cleared.entries()) data.set(cells.subarray(i * width, (i + 1) * width), row * width);
      return data;
    },
  };
}

/** Expands this rank's shard to a tensor of all rows; rows of other ranks are 0. */
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
