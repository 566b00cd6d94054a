import type { ProgramState } from '../engines/engine.js';
import { SINGLE_PROCESS, countLocalRows, type ProcessGroup } from '../core/process-group.js';
import { PART_NUMBERS, type HostTensor } from '../core/tensor.js';

/** Rows of tables to reinitialize, although the checkpoint has rows in their place. */
export type ClearedRows = ReadonlyMap<string, Uint32Array>;

/**
 * Merges a checkpoint into a new model: loaded tensors from `saved`, all others from `drawn`. Additional rows keep
 * their random initialization and have no optimizer state yet.
 * @param initialState state of a program before its first step; tensors may be views
 * @param saved has all loaded tensors, with equal widths and no more rows; an empty optimizer resets it
 * @param loadedNames names of loaded weights
 * @param cleared by tensor name of the table
 * @param peers ranks that shard tensors; the drawn state has this rank's rows
 */
export function mergeState(
  initialState: ProgramState,
  saved: ProgramState,
  loadedNames: ReadonlySet<string>,
  cleared: ClearedRows,
  peers: ProcessGroup = SINGLE_PROCESS,
): ProgramState {
  const hasOptimizer = saved.optimizer.size > 0;
  const unshard = (name: string, tensor: HostTensor): HostTensor => {
    const rows = initialState.dealt?.get(name);
    return rows === undefined ? tensor : expandShard(tensor, rows, peers);
  };
  const mergeTensor = (
    name: string,
    weight: string,
    tensor: HostTensor,
    from: ReadonlyMap<string, HostTensor>,
  ): [string, HostTensor] => [
    name,
    // A table that was frozen has no optimizer state.
    loadedNames.has(weight) && from.has(name)
      ? overlayRows(unshard(name, tensor), from.get(name)!, cleared.get(weight))
      : unshard(name, { shape: tensor.shape, data: tensor.data.slice() }),
  ];
  return {
    step: hasOptimizer ? saved.step : 0,
    weights: new Map([...initialState.weights].map(([name, tensor]) => mergeTensor(name, name, tensor, saved.weights))),
    // A slot is named `WEIGHT.SLOT`.
    optimizer: new Map(
      hasOptimizer
        ? [...initialState.optimizer].map(([name, tensor]) =>
            mergeTensor(name, name.slice(0, name.lastIndexOf('.')), tensor, saved.optimizer),
          )
        : [],
    ),
  };
}

/**
 * Returns the saved rows, with drawn rows where none was saved. Copies the drawn rows at once, because their memory is
 * overwritten.
 */
function overlayRows(initial: HostTensor, saved: HostTensor, cleared: Uint32Array = new Uint32Array(0)): HostTensor {
  const { shape } = initial;
  if (cleared.length === 0 && shape[0] === saved.shape[0]) return saved;
  const width = shape[1] ?? 1;
  const [numRows, numSaved] = [shape[0]!, saved.shape[0]!];
  const initialRows = initial.data;
  const clearedRows = new Float32Array(cleared.length * width);
  for (const [i, row] of cleared.entries())
    clearedRows.set(initialRows.subarray(row * width, (row + 1) * width), i * width);
  const newRows = initialRows.slice(numSaved * width);
  return {
    shape,
    // Built on access, so that only one large table is in memory at a time.
    get data() {
      const data = new Float32Array(numRows * width);
      data.set(saved.data);
      data.set(newRows, numSaved * width);
      for (const [i, row] of cleared.entries()) data.set(clearedRows.subarray(i * width, (i + 1) * width), row * width);
      return data;
    },
  };
}

/** Expands this rank's shard to a tensor of all rows; rows of other ranks are 0. */
function expandShard(shard: HostTensor, rows: number, peers: ProcessGroup): HostTensor {
  const { rank, size } = peers;
  const shape = shard.shape.with(0, rows);
  const width = shape[1] ?? 1;
  const readRows = (begin: number, target: Float32Array): Float32Array => {
    const { data } = shard;
    target.fill(0);
    for (let row = countLocalRows(begin, peers); row * size + rank < begin + target.length / width; row++)
      target.set(data.subarray(row * width, (row + 1) * width), (row * size + rank - begin) * width);
    return target;
  };
  return {
    shape,
    get data() {
      return readRows(0, new Float32Array(rows * width));
    },
    *parts() {
      const maxRows = Math.max(1, Math.min(rows, Math.floor(PART_NUMBERS / width)));
      for (let begin = 0; begin < rows; begin += maxRows)
        yield readRows(begin, new Float32Array(Math.min(maxRows, rows - begin) * width));
    },
  };
}
