/** Numbers by what they are of. */
export type Named = ReadonlyMap<string, Float32Array | Float64Array>;

/**
 * Names whose numbers differ in a byte, a type or a length, or that one of two has alone: unlike as JSON, -0 is not 0,
 * and NaN is not Infinity.
 */
export function differentBytes(a: Named, b: Named): readonly string[] {
  return [...new Set([...a.keys(), ...b.keys()])].filter((name) => {
    const [one, other] = [a.get(name), b.get(name)];
    if (one === undefined || other === undefined || one.constructor !== other.constructor) return true;
    return !bytesOf(one).equals(bytesOf(other));
  });
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array | Float64Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
