import type { StoredTensor } from '../../io/safetensors.js';

/** Names tensors after `of` and their keys. */
export function namedTensors(
  of: string,
  arrays: Readonly<Record<string, Uint32Array | Float64Array>>,
): readonly (readonly [string, StoredTensor])[] {
  return Object.entries(arrays).map(([key, data]) => [`${of}.${key}`, { shape: [data.length], data }]);
}

/**
 * Returns the words of a tensor.
 * @throws Error if there are none
 */
export function wordsOf(tensors: ReadonlyMap<string, StoredTensor>, name: string): Uint32Array {
  const data = tensors.get(name)?.data;
  if (!(data instanceof Uint32Array)) throw new Error(`'${name}' is not a tensor of words`);
  return data;
}

/**
 * Returns the doubles of a tensor.
 * @throws Error if there are none
 */
export function doublesOf(tensors: ReadonlyMap<string, StoredTensor>, name: string): Float64Array {
  const data = tensors.get(name)?.data;
  if (!(data instanceof Float64Array)) throw new Error(`'${name}' is not a tensor of doubles`);
  return data;
}
