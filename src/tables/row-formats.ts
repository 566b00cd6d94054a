/**
 * Formats of the rows of tables in memory: single precision; IEEE half precision; or 8-bit integers with a scale per
 * row.
 */
export const TABLE_FORMATS = ['f32', 'fp16', 'int8'] as const;
export type TableFormat = (typeof TABLE_FORMATS)[number];

/**
 * Writes a row to a table.
 * @param from has `width` elements of the row from index `begin` on
 * @returns whether all elements are finite in the format
 */
export type RowWriter = (from: Float32Array, begin: number, row: number) => boolean;

/** A format of rows; each row starts at a 32-bit word. */
interface RowFormat {
  /** Returns the number of words of a row. */
  countWords(width: number): number;
  /** Returns a writer of rows of `width` elements to a table, whose row r starts at word r · `countWords(width)`. */
  createWriter(table: Float32Array, width: number): RowWriter;
}

/** Largest absolute value of a quantized element. The range is symmetric, so that 0 stays 0. */
const MAX_INT8 = 127;

const FORMATS: Readonly<Record<TableFormat, RowFormat>> = {
  f32: {
    countWords: (width) => width,
    createWriter: (table, width) => (from, begin, row) => {
      table.set(from.subarray(begin, begin + width), row * width);
      return true;
    },
  },
  fp16: {
    countWords: (width) => Math.ceil(width / 2),
    createWriter(table, width) {
      const halves = new Uint16Array(table.buffer, table.byteOffset, 2 * table.length);
      const stride = 2 * Math.ceil(width / 2);
      return (from, begin, row) => {
        let isFinite = true;
        for (let i = 0; i < width; i++) {
          const half = toHalf(from[begin + i]!);
          halves[row * stride + i] = half;
          isFinite &&= (half & HALF_INFINITY) !== HALF_INFINITY;
        }
        return isFinite;
      };
    },
  },
  int8: {
    countWords: (width) => 1 + Math.ceil(width / 4),
    createWriter(table, width) {
      const bytes = new Int8Array(table.buffer, table.byteOffset, 4 * table.length);
      const stride = 1 + Math.ceil(width / 4);
      return (from, begin, row) => {
        const scale = computeRowScale(from, begin, width);
        table[row * stride] = scale;
        const first = 4 * (row * stride + 1);
        for (let i = 0; i < width; i++) bytes[first + i] = quantizeElement(from[begin + i]!, scale);
        return Number.isFinite(scale);
      };
    },
  },
};

/** Returns the format of rows of a width: the given one, or `f32` if that takes no more memory. */
export function resolveFormat(format: TableFormat, width: number): TableFormat {
  return FORMATS[format].countWords(width) < width ? format : 'f32';
}

/** Returns the number of 32-bit words of a row. */
export function countRowWords(format: TableFormat, width: number): number {
  return FORMATS[resolveFormat(format, width)].countWords(width);
}

/** Returns a writer of rows to a table, whose row r starts at word r · `countRowWords(format, width)`. */
export function createRowWriter(format: TableFormat, width: number, table: Float32Array): RowWriter {
  return FORMATS[resolveFormat(format, width)].createWriter(table, width);
}

/** Computes the scale of a row in `int8`: its largest absolute value / 127, in single precision. */
export function computeRowScale(from: Float32Array, begin: number, width: number): number {
  let largest = 0;
  for (let i = 0; i < width; i++) largest = Math.max(largest, Math.abs(from[begin + i]!));
  return Math.fround(largest / MAX_INT8);
}

/** Quantizes an element to the nearest multiple of the scale of its row; returns the integer. */
export function quantizeElement(element: number, scale: number): number {
  return scale === 0 ? 0 : Math.max(-MAX_INT8, Math.min(MAX_INT8, Math.round(element / scale)));
}

/** Bits of infinity in half precision; other values with this exponent are NaN. */
const HALF_INFINITY = 0x7c00;
/** Bits in single precision of 2^16, of infinity, and of the smallest normal value in half precision, 2^-14. */
const [TOO_LARGE, INFINITY, MIN_NORMAL] = [0x47800000, 0x7f800000, 0x38800000];
/** Difference of the exponents' biases, as bits in single precision. */
const BIAS = 112 << 23;

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** Rounds to half precision (IEEE 754 binary16), to the nearest value, ties to even; returns its bits. */
export function toHalf(x: number): number {
  float[0] = x;
  const sign = (bits[0]! >>> 16) & 0x8000;
  const magnitude = bits[0]! & 0x7fffffff;
  if (magnitude >= TOO_LARGE) return sign | (magnitude > INFINITY ? HALF_INFINITY + 0x200 : HALF_INFINITY);
  // A sum of 2^52 or more has no fraction, so it is rounded to even.
  if (magnitude < MIN_NORMAL) return sign | (Math.abs(float[0]) * 2 ** 24 + 2 ** 52 - 2 ** 52);
  // Rounding may carry into the exponent, up to infinity.
  return sign | ((magnitude - BIAS + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
}
