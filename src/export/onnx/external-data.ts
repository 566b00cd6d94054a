import type { Encoded, ExternalData, Initializer } from './messages.js';

/** Tensors with fewer bytes stay in the model. */
const MIN_BYTES = 1024;
/** Tensors begin at a page of memory, so that a runtime may map them. */
const PAGE_BYTES = 4096;

/** Where tensors lie that are in another file than their model, and the bytes of that file. */
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
      let at = 0;
      for (const { name, bytes, data } of large) {
        yield new Uint8Array(offsets.get(name)! - at);
        yield data();
        at = offsets.get(name)! + bytes;
      }
    },
  };
}
