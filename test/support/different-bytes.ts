/** Arrays by name. */
export type Named = ReadonlyMap<string, Float32Array | Float64Array>;

/**
 * Names whose arrays differ in a byte, type or length, or that only one side has. Unlike JSON, -0 differs from 0, and
 * NaN from Infinity.
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
