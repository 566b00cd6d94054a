/** Arrays that `grown` copies. */
type Growable = Float64Array | Float32Array | Uint32Array | Int32Array | Uint8Array;

/**
 * Returns an array of at least `length` elements that begins with the elements of `data`: `data` itself, or a copy of
 * at least twice its length, so that the cost per element is constant.
 * @param maxLength maximum length of a copy
 */
export function grown<Data extends Growable>(data: Data, length: number, maxLength = Infinity): Data {
  if (length <= data.length) return data;
  const larger = allocateLike(data, Math.min(maxLength, Math.max(length, 2 * data.length)));
  larger.set(data);
  return larger;
}

/** Replaces each array of a record by one of at least `length` elements, as `grown` does. */
export function growAll(arrays: Record<string, Growable>, length: number): void {
  for (const [name, data] of Object.entries(arrays)) arrays[name] = grown(data, length);
}

/** Allocates a zeroed array of the type of `data`, which threads share if they share `data`. */
export function allocateLike<Data extends Growable>(data: Data, length: number): Data {
  // TypeScript does not infer the constructor of this array type.
  const Typed = data.constructor as new (from: number | SharedArrayBuffer) => Data;
  return new Typed(
    data.buffer instanceof SharedArrayBuffer ? new SharedArrayBuffer(length * data.BYTES_PER_ELEMENT) : length,
  );
}
