import { floatText, halfFloat } from '../data/files/parquet/number-text.js';
import type { Cell } from '../data/rows/encode-values.js';
import { quoted } from '../core/errors.js';
import { refusal, type Refusal } from './refusal.js';

/**
 * Elements of a tensor, by the name that the Open Inference Protocol has for their type: bytes of one, and how it lies
 * among them.
 */
const ELEMENTS: Readonly<
  Record<string, { readonly bytes: number; readonly read: (view: DataView, at: number) => Cell }>
> = {
  BOOL: { bytes: 1, read: (view, at) => view.getUint8(at) !== 0 },
  UINT8: { bytes: 1, read: (view, at) => view.getUint8(at) },
  UINT16: { bytes: 2, read: (view, at) => view.getUint16(at, true) },
  UINT32: { bytes: 4, read: (view, at) => view.getUint32(at, true) },
  UINT64: { bytes: 8, read: (view, at) => whole(view.getBigUint64(at, true)) },
  INT8: { bytes: 1, read: (view, at) => view.getInt8(at) },
  INT16: { bytes: 2, read: (view, at) => view.getInt16(at, true) },
  INT32: { bytes: 4, read: (view, at) => view.getInt32(at, true) },
  INT64: { bytes: 8, read: (view, at) => whole(view.getBigInt64(at, true)) },
  FP16: { bytes: 2, read: (view, at) => halfFloat(view.getUint16(at, true)) },
  FP32: { bytes: 4, read: (view, at) => view.getFloat32(at, true) },
  FP64: { bytes: 8, read: (view, at) => view.getFloat64(at, true) },
};

/** Texts, each behind its length in four bytes. */
export const BYTES = 'BYTES';
/** Types of elements whose text is not that of the double that they become. */
const SHORT_FLOATS = ['FP16', 'FP32'];

/** The types that a tensor may have. */
export const DATATYPES: readonly string[] = [BYTES, ...Object.keys(ELEMENTS)];

/** As a number where one holds it. */
function whole(value: bigint): number | bigint {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}

/**
 * Elements that lie in binary: numbers in little-endian order, texts each behind its length.
 * @param count of elements that the shape says
 * @throws Refusal
 */
export function binaryCells(where: string, datatype: string, bytes: Uint8Array, count: number): Cell[] {
  if (datatype === BYTES) return binaryTexts(where, bytes, count);
  const element = ELEMENTS[datatype]!;
  if (bytes.length !== count * element.bytes)
    throw refusal(400, {
      where,
      message: `expected ${count * element.bytes} bytes for ${count} elements of ${datatype}, found ${bytes.length}`,
    });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: count }, (_, i) => element.read(view, i * element.bytes));
}

function binaryTexts(where: string, bytes: Uint8Array, count: number): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const texts: string[] = [];
  let at = 0;
  while (at < bytes.length && texts.length < count) {
    const length = at + 4 <= bytes.length ? view.getUint32(at, true) : Infinity;
    if (at + 4 + length > bytes.length)
      throw refusal(400, {
        where,
        message: `expected every text behind its length in 4 bytes; that of element ${texts.length} leads beyond the tensor`,
      });
    texts.push(decoded(decoder, where, bytes.subarray(at + 4, at + 4 + length), texts.length));
    at += 4 + length;
  }
  if (texts.length !== count || at !== bytes.length)
    throw refusal(400, {
      where,
      message: `expected ${count} texts as the shape says, found ${texts.length}${at < bytes.length ? ' and more' : ''}`,
    });
  return texts;
}

function decoded(
  decoder: { decode(bytes: Uint8Array): string },
  where: string,
  bytes: Uint8Array,
  element: number,
): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw refusal(400, { where, message: `expected UTF-8, found bytes that are no text in element ${element}` });
  }
}

/**
 * Elements that lie as JSON, flat or in lists of lists.
 * @throws Refusal
 */
export function jsonCells(where: string, datatype: string, data: unknown, count: number): Cell[] {
  if (!Array.isArray(data)) throw refusal(400, { where, message: `expected a list, found ${quoted(data)}` });
  // A shape has two numbers at the most.
  const flat = data.some((each) => Array.isArray(each)) ? (data as unknown[]).flat() : (data as unknown[]);
  if (flat.length !== count)
    throw refusal(400, { where, message: `expected ${count} elements as the shape says, found ${flat.length}` });
  const type = datatype === BYTES ? 'string' : datatype === 'BOOL' ? 'boolean' : 'number';
  for (const [i, element] of flat.entries())
    if (typeof element !== type) throw notOfType(where, datatype, type, element, i);
  return flat as Cell[];
}

function notOfType(where: string, datatype: string, type: string, element: unknown, i: number): Refusal {
  const fix =
    typeof element === 'string'
      ? `write numbers without quotes, or say "datatype": "${BYTES}"`
      : type === 'string'
        ? 'write texts in quotes, or say what datatype they are'
        : undefined;
  return refusal(400, {
    where: `${where}[${i}]`,
    message: `expected a ${type} for ${datatype}, found ${quoted(element)}`,
    ...(fix !== undefined && { fix }),
  });
}

/** Numbers for a column that holds texts: those of few bits as the shortest decimal that they are. */
export function textCells(datatype: string, cells: readonly Cell[]): readonly Cell[] {
  return SHORT_FLOATS.includes(datatype)
    ? cells.map((cell) => (typeof cell === 'number' && Number.isFinite(cell) ? floatText(Math.fround(cell)) : cell))
    : cells;
}
