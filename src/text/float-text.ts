// Numbers as DuckDB's CSV export writes them: the shortest decimal that is read as the same number, with a point, or
// with an exponent below 10^-4 and from 10^16 on.

/** Formats a float of 64 bits. */
export function doubleText(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e16) return `${Object.is(value, -0) ? '-0' : value}.0`;
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
  const magnitude = Math.abs(value);
  if (magnitude >= 1e-4 && magnitude < 1e16) return String(value);
  const [digits, exponent] = value.toExponential().split('e') as [string, string];
  return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`;
}

/**
 * A whole number of up to 15 digits divided by such a power is rounded once (Clinger 1990): the text of the quotient is
 * the decimal's.
 */
const POWERS = Float64Array.from({ length: 16 }, (_, i) => 10 ** i);
/** Maximum number of digits that a float of 32 bits requires. */
const MAX_DIGITS = 9;
/** Integers below it are floats of 32 bits. */
const WHOLE_FLOATS = 2 ** 24;

const floats = new Float32Array(1);
const floatBits = new Int32Array(floats.buffer);

/** Returns half the distance from a float of 32 bits to the next one. */
function halfStep(float: number): number {
  floats[0] = float;
  return 2 ** (Math.max(1, (floatBits[0]! >> 23) & 255) - 151);
}

/**
 * Returns the shortest decimal that is read as a float of 32 bits, as a double: 0.1 for 0.10000000149011612. If the
 * nearest of that length is exactly between two floats, or two are equally near, returns the float, as DuckDB does.
 */
export function shortestDecimal(float: number): number {
  const magnitude = Math.abs(float);
  if ((Number.isInteger(float) && magnitude < WHOLE_FLOATS) || !Number.isFinite(float)) return float;
  const half = halfStep(float);
  const places = isPlain(magnitude) ? countPlaces(float, half) : NO_PLACES;
  if (places === UNDECIDED) return float;
  if (places !== NO_PLACES) return Math.round(float * POWERS[places]!) / POWERS[places]!;
  for (let digits = 1; digits < MAX_DIGITS; digits++) {
    const decimal = Number(float.toPrecision(digits));
    const distance = Math.abs(decimal - float);
    const unit = 10 ** (Math.floor(Math.log10(magnitude)) + 1 - digits);
    if (distance <= half) return distance === half || 2 * distance === unit ? float : decimal;
  }
  return Number(float.toPrecision(MAX_DIGITS));
}

/** Results of `countPlaces` besides numbers of places. */
const [NO_PLACES, UNDECIDED] = [0, -1];

/** Whether the digits of a decimal of this magnitude are exact in a double. */
const isPlain = (magnitude: number): boolean => magnitude > 1e-6 && magnitude < WHOLE_FLOATS;

/**
 * Counts the places after the point of the shortest decimal of a float that is no integer: UNDECIDED if that is the
 * float itself, NO_PLACES if the decimal has more digits than a double.
 * @param half distance to the next float, divided by 2
 */
function countPlaces(float: number, half: number): number {
  for (let places = 1; places < POWERS.length; places++) {
    const exact = float * POWERS[places]!;
    const digits = Math.round(exact);
    const distance = Math.abs(digits / POWERS[places]! - float);
    if (distance <= half) return distance === half || Math.abs(exact - digits) === 0.5 ? UNDECIDED : places;
  }
  return NO_PLACES;
}

const [MINUS, POINT, ZERO] = [45, 46, 48];
/** Maximum number of bytes that `writeShortest` writes: the bytes of the longest double. */
export const MAX_SHORTEST_BYTES = 24;

/**
 * Writes the text of `shortestDecimal` to `bytes`, from `at`, which has memory for it; returns its end. It creates no
 * string for most floats between 10^-6 and 2^24.
 */
export function writeShortest(float: number, bytes: Uint8Array, at: number): number {
  const places = isPlain(Math.abs(float)) && !Number.isInteger(float) ? countPlaces(float, halfStep(float)) : NO_PLACES;
  if (places <= 0) {
    const text = String(shortestDecimal(float));
    for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
    return at + text.length;
  }
  let digits = Math.abs(Math.round(float * POWERS[places]!));
  let length = places + 1;
  while (digits >= POWERS[length]!) length++;
  const begin = float < 0 ? at + 1 : at;
  if (float < 0) bytes[at] = MINUS;
  const end = begin + length + 1;
  for (let i = end - 1; i >= begin; i--) {
    if (end - i === places + 1) {
      bytes[i] = POINT;
      continue;
    }
    const rest = Math.floor(digits / 10);
    bytes[i] = ZERO + digits - 10 * rest;
    digits = rest;
  }
  return end;
}

/** Formats a finite float of 32 bits as a short decimal that is read as the same float. */
export function floatText(float: number): string {
  if (Object.is(float, -0)) return '-0';
  const decimal = shortestDecimal(float);
  // Floats are closer together below a power of two.
  return String(Math.fround(decimal) === float ? decimal : float);
}

/** Converts a float of 16 bits (IEEE 754 binary16) from its bits. */
export function halfFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** Formats a decimal with `scale` digits after the point, and a zero before it if the type has a digit there. */
export function decimalText(unscaled: bigint, scale: number, precision: number): string {
  const text = String(unscaled);
  if (scale === 0) return text;
  const sign = text.startsWith('-') ? '-' : '';
  const digits = text.slice(sign.length).padStart(precision > scale ? scale + 1 : scale, '0');
  return `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}
