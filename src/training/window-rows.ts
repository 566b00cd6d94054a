import type { Block } from '../evaluation/row-store.js';
import { readVector, refuseOthers } from '../io/named-tensor.js';
import type { StoredTensor, TensorData } from '../io/safetensors.js';

/**
 * Predictions and labels of consecutive rows of a window, as tensors: the tensors of a full checkpoint begin with the
 * first row, the tensors of a delta with the first one after the checkpoint before, or with the first one of a later
 * window.
 */
export type WindowRows = ReadonlyMap<string, StoredTensor>;

/** Tensor with the number of rows of the window before its first one. */
const FIRST = 'first';
const [PREDICTIONS, LABELS] = ['predictions.', 'labels.'];

/**
 * Copies rows of blocks to tensors.
 * @param first number of rows of the window that are left out
 */
export function storeWindow(blocks: readonly Block[], first: number): WindowRows {
  const columns = ({ predictions, labels }: Block): readonly (readonly [string, Float32Array | Uint8Array])[] => [
    ...Array.from(predictions, ([name, data]) => [PREDICTIONS + name, data] as const),
    ...Array.from(labels, ([name, data]) => [LABELS + name, data] as const),
  ];
  const rows = blocks.reduce((sum, block) => sum + block.rows, 0) - first;
  const tensors = new Map<string, StoredTensor>([[FIRST, { shape: [1], data: Uint32Array.of(first) }]]);
  let begin = 0;
  for (const block of blocks) {
    const skipped = Math.min(block.rows, Math.max(0, first - begin));
    const to = Math.max(0, begin - first);
    for (const [name, data] of columns(block)) {
      const of = tensors.get(name) ?? { shape: [rows], data: createLike(data, rows) };
      of.data.set(data.subarray(skipped, block.rows), to);
      tensors.set(name, of);
    }
    begin += block.rows;
  }
  return tensors;
}

/**
 * Appends the rows of a delta to those before it.
 * @throws Error if they do not follow each other; UserError (checkpoint) for a missing, invalid or unexpected tensor
 */
export function appendWindow(before: WindowRows, after: WindowRows): WindowRows {
  const first = readFirst(after);
  if (first === 0) return after;
  if (countWindowRows(before) !== first)
    throw new Error(`expected the rows of a window after row ${countWindowRows(before)}, found those after ${first}`);
  refuseOthers(after, new Set(before.keys()));
  return new Map(
    Array.from(before, ([name, tensor]) => [name, name === FIRST ? tensor : append(name, tensor.data, after)]),
  );
}

/** Counts the rows of a window, of which all were stored or appended. */
export function countWindowRows(window: WindowRows): number {
  return [...window].find(([name]) => name.startsWith(PREDICTIONS))?.[1].data.length ?? 0;
}

/**
 * Restores the rows of a window, of which all were stored or appended.
 * @throws UserError (checkpoint) for a missing, invalid or unexpected tensor
 */
export function restoreWindow(window: WindowRows): Block {
  const rows = countWindowRows(window);
  readVector(window, FIRST, 'U32', 1);
  const names = [...window.keys()].filter((name) => name !== FIRST);
  refuseOthers(window, new Set([FIRST, ...names.filter((name) => /^(predictions|labels)\./.test(name))]));
  const ofKind = (prefix: string): readonly string[] => names.filter((name) => name.startsWith(prefix));
  return {
    rows,
    predictions: new Map(
      ofKind(PREDICTIONS).map((name) => [name.slice(PREDICTIONS.length), readVector(window, name, 'F32', rows)]),
    ),
    labels: new Map(
      ofKind(LABELS).map((name) => [
        name.slice(LABELS.length),
        readVector(window, name, window.get(name)!.data instanceof Uint8Array ? 'U8' : 'F32', rows),
      ]),
    ),
  };
}

function readFirst(window: WindowRows): number {
  const first = window.get(FIRST)?.data[0];
  if (first === undefined) throw new Error(`'${FIRST}' is missing`);
  return first;
}

function append(name: string, before: TensorData, after: WindowRows): StoredTensor {
  const added = readVector(after, name, before instanceof Uint8Array ? 'U8' : 'F32');
  const data = createLike(before, before.length + added.length);
  data.set(before);
  data.set(added, before.length);
  return { shape: [data.length], data };
}

function createLike(data: TensorData, length: number): Float32Array | Uint8Array {
  return data instanceof Uint8Array ? new Uint8Array(length) : new Float32Array(length);
}
