import { closeSync, openSync } from 'node:fs';
import { systemCode, userError, type ErrorKind } from '../core/errors.js';
import { readAt } from './read-sync.js';

/** Location, shape and type of a tensor in a file. */
export interface FilePlace<Data> {
  readonly path: string;
  readonly shape: readonly number[];
  /** Byte offset in the file. */
  readonly position: number;
  readonly bytes: number;
  /** Array type to read into. */
  readonly Array: {
    readonly BYTES_PER_ELEMENT: number;
    new (memory: ArrayBuffer, offset?: number, length?: number): Data;
  };
  /** Error kind if the file has changed. */
  readonly kind: ErrorKind;
}

const CHUNK_BYTES = 1 << 22;

/** Closes files that are no longer reachable. */
const opened = new FinalizationRegistry<number>(closeSync);

/**
 * Creates a tensor that is read on access, in full or in blocks of rows; a block is valid until the next one. Opens the
 * file immediately, so that removing it loses nothing.
 * @throws UserError of the location's kind
 */
export function lazyTensor<Data extends { readonly length: number; set(from: Data, start: number): void }>({
  path,
  shape,
  position,
  bytes,
  Array: TypedArray,
  kind,
}: FilePlace<Data>): { readonly data: Data; parts(): Iterable<Data> } {
  const rowBytes = shape.slice(1).reduce((product, extent) => product * extent, TypedArray.BYTES_PER_ELEMENT);
  const most = Math.max(rowBytes, Math.floor(CHUNK_BYTES / rowBytes) * rowBytes);
  const toUserError = (error: unknown): unknown => {
    const code = systemCode(error);
    return code === undefined ? error : userError(kind, { where: path, message: `cannot be read (${code})` }, error);
  };
  const source = { file: -1 };
  try {
    source.file = openSync(path, 'r');
  } catch (error) {
    throw toUserError(error);
  }
  opened.register(source, source.file);
  function* parts(): Generator<Data> {
    const memory = new ArrayBuffer(Math.min(most, bytes));
    try {
      for (let start = 0; start < bytes; start += most) {
        const part = Buffer.from(memory, 0, Math.min(most, bytes - start));
        if (readAt(source.file, part, position + start) < part.length)
          throw userError(kind, { where: path, message: 'was truncated after it was opened' });
        yield new TypedArray(memory, 0, part.length / TypedArray.BYTES_PER_ELEMENT);
      }
    } catch (error) {
      throw toUserError(error);
    }
  }
  return {
    get data() {
      const all = new TypedArray(new ArrayBuffer(bytes));
      let start = 0;
      for (const part of parts()) {
        all.set(part, start);
        start += part.length;
      }
      return all;
    },
    parts,
  };
}
