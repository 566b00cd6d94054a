/** Creates a buffer that steps reuse and that grows on demand: allocating memory costs more than the work in it. */
export function keptRoom<Data extends Uint32Array | Float32Array>(
  make: (length: number) => Data,
): (length: number) => Data {
  let all = make(0);
  return (length) => {
    if (all.length < length) all = make(length + (length >> 2));
    return all.subarray(0, length) as Data; // a piece of it is of its kind
  };
}
