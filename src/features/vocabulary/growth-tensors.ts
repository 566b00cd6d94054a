import type { StoredTensor } from '../../io/safetensors.js';

/** Names tensors after `of` and their keys. */
export function namedTensors(
  of: string,
  arrays: Readonly<Record<string, Uint32Array | Float64Array>>,
): readonly (readonly [string, StoredTensor])[] {
  return Object.entries(arrays).map(([key, data]) => [`${of}.${key}`, { shape: [data.length], data }]);
}
