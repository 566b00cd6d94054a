import { closeSync, openSync, readSync } from 'node:fs';
import { systemCode, userError, type ErrorKind } from '../core/errors.js';

/** Where the numbers of a tensor lie in a file, and what they are. */
export interface FilePlace<Data> {
  readonly path: string;
  readonly shape: readonly number[];
  /** From the start of the file. */
  readonly position: number;
  readonly bytes: number;
  /** The array that they are read into. */
  readonly Array: {
    readonly BYTES_PER_ELEMENT: number;
    new (memory: ArrayBuffer, offset?: number, length?: number): Data;
  };
  /** What it is an error of, where the file is not what it was. */
  readonly kind: ErrorKind;
}

/** One read. */
const CHUNK_BYTES = 1 << 22;

/** Closes files that nobody can read from any more. */
const opened = new FinalizationRegistry<number>(closeSync);

/**
 * Numbers that are read when they are asked for, all of them or some whole rows at a time; each part is valid until the
 * next one is asked for.
 * Their file is open from now on, so that nothing is lost where somebody removes it before they are.
 * @throws UserError (of the place's kind)
 */
export function lazyTensor<Data extends { readonly length: number; set(from: Data, at: number): void }>({
  path,
  shape,
  position,
  bytes,
  Array: TypedArray,
  kind,
}: FilePlace<Data>): { readonly data: Data; parts(): Iterable<Data> } {
  const rowBytes = shape.slice(1).reduce((product, extent) => product * extent, TypedArray.BYTES_PER_ELEMENT);
  const most = Math.max(rowBytes, Math.floor(CHUNK_BYTES / rowBytes) * rowBytes);
  const told = (error: unknown): unknown => {
    const code = systemCode(error);
    return code === undefined ? error : userError(kind, { where: path, message: `cannot be read (${code})` }, error);
  };
  const source = { file: -1 };
  try {
    source.file = openSync(path, 'r');
  } catch (error) {
    throw told(error);
  }
  opened.register(source, source.file);
  function* parts(): Generator<Data> {
    const memory = new ArrayBuffer(Math.min(most, bytes));
    try {
      for (let at = 0; at < bytes; at += most) {
        const part = Buffer.from(memory, 0, Math.min(most, bytes - at));
        for (let read = 0, count: number; read < part.length; read += count) {
          count = readSync(source.file, part, read, part.length - read, position + at + read);
          if (count === 0) throw userError(kind, { where: path, message: 'was cut short since it was looked at' });
        }
        yield new TypedArray(memory, 0, part.length / TypedArray.BYTES_PER_ELEMENT);
      }
    } catch (error) {
      throw told(error);
    }
  }
  return {
    get data() {
      const all = new TypedArray(new ArrayBuffer(bytes));
      let at = 0;
      for (const part of parts()) {
        all.set(part, at);
        at += part.length;
      }
      return all;
    },
    parts,
  };
}
