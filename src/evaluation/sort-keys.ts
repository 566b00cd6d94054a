const DIGITS = 4;
const RADIX = 256;

/**
 * Sorts whole numbers in place, by their bytes from the last to the first (radix sort): its time does not depend on the values.
 * @param scratch at least as long as `keys`; overwritten
 */
export function sortKeys(keys: Uint32Array, scratch: Uint32Array): void {
  const counts = new Uint32Array(DIGITS * RADIX);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!;
    counts[key & 255]!++;
    counts[256 + ((key >>> 8) & 255)]!++;
    counts[512 + ((key >>> 16) & 255)]!++;
    counts[768 + (key >>> 24)]!++;
  }
  let [from, to] = [keys, scratch];
  for (let digit = 0; digit < DIGITS; digit++) {
    const places = counts.subarray(digit * RADIX, (digit + 1) * RADIX);
    if (places.includes(keys.length)) continue; // All keys share this byte.
    for (let value = 0, begin = 0; value < RADIX; value++) {
      const count = places[value]!;
      places[value] = begin;
      begin += count;
    }
    scatter(from, to, keys.length, places, 8 * digit);
    [from, to] = [to, from];
  }
  if (from !== keys) keys.set(from.subarray(0, keys.length));
}

function scatter(from: Uint32Array, to: Uint32Array, length: number, places: Uint32Array, shift: number): void {
  for (let i = 0; i < length; i++) {
    const key = from[i]!;
    to[places[(key >>> shift) & 255]!++] = key;
  }
}
