import { closeSync, fstatSync, openSync } from 'node:fs';
import { systemCode } from '../../core/errors.js';
import { readAt } from '../../io/read-sync.js';
import type { InitialVectors } from '../../features/init-from.js';
import { vectorError, type VectorFile, type VectorFormat } from './format.js';
import { readKeys } from './keys.js';

const TYPES = { '<f4': Float32Array, '<f8': Float64Array } as const;
const MAGIC = '\x93NUMPY';
/** Bytes per read; a multiple of the size of all types. */
const CHUNK_BYTES = 1 << 24;
const FIX = "write it with numpy.save(path, numpy.ascontiguousarray(array, dtype='<f4'))";

/** A matrix saved by `numpy.save` (NumPy's `numpy.lib.format`, versions 1 to 3). */
export const npy: VectorFormat = {
  name: '.npy',
  pattern: /\.npy$/i,
  async read(options) {
    const { file } = options;
    const matrix = readMatrix(file);
    return { path: file, ...matrix, keyOf: await readKeys(options, matrix.rows) };
  },
};

function readMatrix(path: InitialVectors['file']): Pick<VectorFile, 'rows' | 'width' | 'data'> {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    const { type, rows, width, begin } = readHeader(path, file);
    const Type = TYPES[type];
    const [expected, found] = [rows * width * Type.BYTES_PER_ELEMENT, fstatSync(file).size - begin];
    if (found !== expected) throw vectorError(path, `expected ${expected} bytes of elements, found ${found}`, FIX);
    const data = new Float32Array(rows * width);
    const chunk = new Type(Math.min(data.length, CHUNK_BYTES / Type.BYTES_PER_ELEMENT));
    for (let at = 0; at < data.length; at += chunk.length) {
      const part = chunk.subarray(0, Math.min(chunk.length, data.length - at));
      readAt(file, new Uint8Array(part.buffer, 0, part.byteLength), begin + at * Type.BYTES_PER_ELEMENT);
      data.set(part, at);
    }
    return { rows, width, data };
  } catch (error) {
    const code = systemCode(error);
    throw code === undefined
      ? error
      : vectorError(path, `cannot be read (${code})`, 'correct the path in initFrom.file');
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

interface Header {
  readonly type: keyof typeof TYPES;
  readonly rows: number;
  readonly width: number;
  /** Byte offset of the first element. */
  readonly begin: number;
}

/** Reads the header: a magic string, the version, the length of a Python dict, and the dict. */
function readHeader(path: string, file: number): Header {
  const start = Buffer.alloc(12);
  readAt(file, start, 0);
  if (start.toString('latin1', 0, MAGIC.length) !== MAGIC) throw vectorError(path, 'is not a .npy file', FIX);
  const [lengthBytes, length] = start[6]! === 1 ? [2, start.readUInt16LE(8)] : [4, start.readUInt32LE(8)];
  const begin = 8 + lengthBytes + length;
  const dict = Buffer.alloc(length);
  readAt(file, dict, 8 + lengthBytes);
  const text = dict.toString('latin1');
  const type = /'descr':\s*'([^']*)'/.exec(text)?.[1] ?? 'an unknown type';
  const shape = (/'shape':\s*\(([^)]*)\)/.exec(text)?.[1] ?? '').split(',').filter((extent) => extent.trim() !== '');
  const [rows, width] = shape.map(Number);
  if (!isSupported(type)) throw vectorError(path, `expected elements of type <f4 or <f8, found ${type}`, FIX);
  if (/'fortran_order':\s*True/.test(text)) throw vectorError(path, 'is stored column by column', FIX);
  if (shape.length !== 2 || rows === undefined || width === undefined)
    throw vectorError(path, `expected shape (rows, width), found (${shape.join(', ')})`, FIX);
  return { type, rows, width, begin };
}

function isSupported(type: string): type is keyof typeof TYPES {
  return Object.hasOwn(TYPES, type);
}
