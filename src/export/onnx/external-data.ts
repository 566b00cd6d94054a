import type { Encoded, ExternalData, Initializer } from './messages.js';

/** Smaller tensors stay in the model file. */
const MIN_BYTES = 1024;
/** Tensors are page-aligned, so that a runtime can map them. */
const PAGE_BYTES = 4096;

/** Lays out the tensors that are stored in a separate file. @returns their offsets and the size of the file */
export function layOutExternal(file: string, initializers: readonly Initializer[]): ExternalData & Encoded {
  const large = initializers.filter(({ bytes }) => bytes >= MIN_BYTES);
  const offsets = new Map<string, number>();
  let end = 0;
  for (const { name, bytes } of large) {
    const offset = Math.ceil(end / PAGE_BYTES) * PAGE_BYTES;
    offsets.set(name, offset);
    end = offset + bytes;
  }
  return {
    file,
    offsets,
    bytes: end,
    *pieces() {
      let position = 0;
      for (const { name, bytes, data } of large) {
        yield new Uint8Array(offsets.get(name)! - position);
        yield data();
        position = offsets.get(name)! + bytes;
      }
    },
  };
}
