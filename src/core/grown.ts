/**
 * Returns an array of at least `length` elements that begins with those of `data`: `data` itself, or a copy of at least
 * twice its length, so that the cost per element is constant.
 * @param maxLength maximum length of a copy
 */
export function grown<Data extends Float64Array | Float32Array | Uint32Array | Uint8Array>(
  data: Data,
  length: number,
  maxLength = Infinity,
): Data {
  if (length <= data.length) return data;
  // TypeScript does not infer the constructor of this array type.
  const larger = new (data.constructor as new (length: number) => Data)(
    Math.min(maxLength, Math.max(length, 2 * data.length)),
  );
  larger.set(data);
  return larger;
}
