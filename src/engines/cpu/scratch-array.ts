/** Creates an array that steps reuse and that grows on demand: allocating memory costs more than the work in it. */
function createScratch<Data extends Uint32Array | Int32Array | Float32Array>(
  allocate: (length: number) => Data,
): (length: number) => Data {
  let all = allocate(0);
  return (length) => {
    if (all.length < length) all = allocate(length + (length >> 2));
    return all.subarray(0, length) as Data; // a part of it has its type
  };
}

/** Creates a function that returns the first `length` elements of an array of floats, of words, or of an index. */
export const createFloatScratch = (): ((length: number) => Float32Array) =>
  createScratch((length) => new Float32Array(length));
export const createWordScratch = (): ((length: number) => Uint32Array) =>
  createScratch((length) => new Uint32Array(length));
export const createIndexScratch = (): ((length: number) => Int32Array) =>
  createScratch((length) => new Int32Array(length));
