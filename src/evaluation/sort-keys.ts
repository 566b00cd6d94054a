const DIGITS = 4;
const RADIX = 256;
/** Shorter arrays are sorted as fast by the built-in sort. */
const FEW = 8192;

/**
 * Sorts integers in place; long arrays by LSD radix sort, whose time does not depend on the values.
 * @param scratch at least as long as `keys`; overwritten
 */
export function sortKeys(keys: Uint32Array, scratch: Uint32Array): void {
  if (keys.length < FEW) {
    keys.sort();
    return;
  }
  let [from, to] = [keys, scratch];
  for (const { places, shift } of digitsOf(keys)) {
    scatter(from, to, keys.length, places, shift);
    [from, to] = [to, from];
  }
  if (from !== keys) keys.set(from.subarray(0, keys.length));
}

/**
 * Sorts keys in place together with their payload; stable.
 * @param keysScratch as long as `keys`; overwritten
 * @param payloadScratch as long as `keys`; overwritten
 */
export function sortPairs(
  keys: Uint32Array,
  payload: Uint32Array,
  keysScratch: Uint32Array,
  payloadScratch: Uint32Array,
): void {
  let [from, to] = [keys, keysScratch];
  let [fromBeside, toBeside] = [payload, payloadScratch];
  for (const { places, shift } of digitsOf(keys)) {
    scatterPairs(from, to, fromBeside, toBeside, places, shift);
    [from, to] = [to, from];
    [fromBeside, toBeside] = [toBeside, fromBeside];
  }
  if (from === keys) return;
  keys.set(from);
  payload.set(fromBeside);
}

/** Returns the bucket offsets of each byte; bytes that all keys share are skipped. */
function digitsOf(keys: Uint32Array): readonly { readonly places: Uint32Array; readonly shift: number }[] {
  const counts = new Uint32Array(DIGITS * RADIX);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!;
    counts[key & 255]!++;
    counts[256 + ((key >>> 8) & 255)]!++;
    counts[512 + ((key >>> 16) & 255)]!++;
    counts[768 + (key >>> 24)]!++;
  }
  return Array.from({ length: DIGITS }, (_, digit) => ({
    places: counts.subarray(digit * RADIX, (digit + 1) * RADIX),
    shift: 8 * digit,
  }))
    .filter(({ places }) => !places.includes(keys.length))
    .map(({ places, shift }) => {
      for (let value = 0, begin = 0; value < RADIX; value++) {
        const count = places[value]!;
        places[value] = begin;
        begin += count;
      }
      return { places, shift };
    });
}

function scatter(from: Uint32Array, to: Uint32Array, length: number, places: Uint32Array, shift: number): void {
  for (let i = 0; i < length; i++) {
    const key = from[i]!;
    to[places[(key >>> shift) & 255]!++] = key;
  }
}

function scatterPairs(
  from: Uint32Array,
  to: Uint32Array,
  fromBeside: Uint32Array,
  toBeside: Uint32Array,
  places: Uint32Array,
  shift: number,
): void {
  for (let i = 0; i < from.length; i++) {
    const key = from[i]!;
    const place = places[(key >>> shift) & 255]!++;
    to[place] = key;
    toBeside[place] = fromBeside[i]!;
  }
}
