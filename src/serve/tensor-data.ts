import { floatText, halfFloat } from '../text/float-text.js';
import type { Value } from '../data/objects/value-column.js';
import { quoted } from '../core/errors.js';
import { refusal, type Refusal } from './refusal.js';

/** Size in bytes and reader of tensor elements, by datatype of the Open Inference Protocol. */
const ELEMENTS: Readonly<
  Record<string, { readonly bytes: number; readonly read: (view: DataView, offset: number) => Value }>
> = {
  BOOL: { bytes: 1, read: (view, offset) => view.getUint8(offset) !== 0 },
  UINT8: { bytes: 1, read: (view, offset) => view.getUint8(offset) },
  UINT16: { bytes: 2, read: (view, offset) => view.getUint16(offset, true) },
  UINT32: { bytes: 4, read: (view, offset) => view.getUint32(offset, true) },
  UINT64: { bytes: 8, read: (view, offset) => toNumber(view.getBigUint64(offset, true)) },
  INT8: { bytes: 1, read: (view, offset) => view.getInt8(offset) },
  INT16: { bytes: 2, read: (view, offset) => view.getInt16(offset, true) },
  INT32: { bytes: 4, read: (view, offset) => view.getInt32(offset, true) },
  INT64: { bytes: 8, read: (view, offset) => toNumber(view.getBigInt64(offset, true)) },
  FP16: { bytes: 2, read: (view, offset) => halfFloat(view.getUint16(offset, true)) },
  FP32: { bytes: 4, read: (view, offset) => view.getFloat32(offset, true) },
  FP64: { bytes: 8, read: (view, offset) => view.getFloat64(offset, true) },
};

/** Strings, each prefixed with its length in 4 bytes. */
export const BYTES = 'BYTES';
/** Datatypes whose shortest decimal differs from the shortest decimal of the double they convert to. */
const SHORT_FLOATS = ['FP16', 'FP32'];

export const DATATYPES: readonly string[] = [BYTES, ...Object.keys(ELEMENTS)];

/** Converts to a number if it is exact. */
function toNumber(value: bigint): number | bigint {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}

/**
 * Decodes binary elements: little-endian numbers, or length-prefixed strings.
 * @param count number of elements according to the shape
 * @throws Refusal
 */
export function decodeBinary(where: string, datatype: string, bytes: Uint8Array, count: number): Value[] {
  if (datatype === BYTES) return decodeStrings(where, bytes, count);
  const element = ELEMENTS[datatype]!;
  if (bytes.length !== count * element.bytes)
    throw refusal(400, {
      where,
      message: `expected ${count * element.bytes} bytes for ${count} elements of ${datatype}, found ${bytes.length}`,
    });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: count }, (_, i) => element.read(view, i * element.bytes));
}

function decodeStrings(where: string, bytes: Uint8Array, count: number): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const texts: string[] = [];
  let offset = 0;
  while (offset < bytes.length && texts.length < count) {
    const length = offset + 4 <= bytes.length ? view.getUint32(offset, true) : Infinity;
    if (offset + 4 + length > bytes.length)
      throw refusal(400, {
        where,
        message: `expected strings prefixed with their length in 4 bytes; element ${texts.length} exceeds the tensor`,
      });
    texts.push(decodeUtf8(decoder, where, bytes.subarray(offset + 4, offset + 4 + length), texts.length));
    offset += 4 + length;
  }
  if (texts.length !== count || offset !== bytes.length)
    throw refusal(400, {
      where,
      message:
        `expected ${count} strings for the shape, found ` + `${texts.length}${offset < bytes.length ? ' or more' : ''}`,
    });
  return texts;
}

function decodeUtf8(
  decoder: { decode(bytes: Uint8Array): string },
  where: string,
  bytes: Uint8Array,
  element: number,
): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw refusal(400, { where, message: `expected UTF-8, found invalid bytes in element ${element}` });
  }
}

/**
 * Reads JSON elements, flat or nested by row.
 * @throws Refusal
 */
export function readJsonElements(where: string, datatype: string, data: unknown, count: number): Value[] {
  if (!Array.isArray(data)) throw refusal(400, { where, message: `expected a list, found ${quoted(data)}` });
  // A shape has at most two dimensions.
  const flat = data.some((each) => Array.isArray(each)) ? (data as unknown[]).flat() : (data as unknown[]);
  if (flat.length !== count)
    throw refusal(400, { where, message: `expected ${count} elements for the shape, found ${flat.length}` });
  const type = datatype === BYTES ? 'string' : datatype === 'BOOL' ? 'boolean' : 'number';
  for (const [i, element] of flat.entries())
    if (typeof element !== type) throw refuseType(where, datatype, type, element, i);
  return flat as Value[];
}

function refuseType(where: string, datatype: string, type: string, element: unknown, i: number): Refusal {
  const fix =
    typeof element === 'string'
      ? `write numbers without quotes, or set "datatype": "${BYTES}"`
      : type === 'string'
        ? 'quote strings, or set the datatype of the elements'
        : undefined;
  return refusal(400, {
    where: `${where}[${i}]`,
    message: `expected a ${type} for ${datatype}, found ${quoted(element)}`,
    ...(fix !== undefined && { fix }),
  });
}

/** Converts numbers for a string column: 16- and 32-bit floats to their shortest decimal. */
export function toStringCells(datatype: string, cells: readonly Value[]): readonly Value[] {
  return SHORT_FLOATS.includes(datatype)
    ? cells.map((cell) => (typeof cell === 'number' && Number.isFinite(cell) ? floatText(Math.fround(cell)) : cell))
    : cells;
}
