const DIGITS = 4;
const RADIX = 256;
/** Shorter arrays are sorted as fast by the built-in sort. */
const RADIX_SORT_MIN_KEYS = 8192;

/**
 * Sorts integers in place; long arrays by LSD radix sort, whose time does not depend on the values.
 * @param scratch at least as long as `keys`; overwritten
 */
export function sortKeys(keys: Uint32Array, scratch: Uint32Array): void {
  if (keys.length < RADIX_SORT_MIN_KEYS) {
    keys.sort();
    return;
  }
  let [source, target] = [keys, scratch];
  for (const { offsets: offsets, shift } of countDigits(keys)) {
    scatter(source, target, keys.length, offsets, shift);
    [source, target] = [target, source];
  }
  if (source !== keys) keys.set(source.subarray(0, keys.length));
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
  let [source, target] = [keys, keysScratch];
  let [sourcePayload, targetPayload] = [payload, payloadScratch];
  for (const { offsets: offsets, shift } of countDigits(keys)) {
    scatterPairs(source, target, sourcePayload, targetPayload, offsets, shift);
    [source, target] = [target, source];
    [sourcePayload, targetPayload] = [targetPayload, sourcePayload];
  }
  if (source === keys) return;
  keys.set(source);
  payload.set(sourcePayload);
}

/** Returns the bucket offsets of each byte; bytes that all keys share are skipped. */
function countDigits(keys: Uint32Array): readonly { readonly offsets: Uint32Array; readonly shift: number }[] {
  const counts = new Uint32Array(DIGITS * RADIX);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!;
    counts[key & 255]!++;
    counts[256 + ((key >>> 8) & 255)]!++;
    counts[512 + ((key >>> 16) & 255)]!++;
    counts[768 + (key >>> 24)]!++;
  }
  return Array.from({ length: DIGITS }, (_, digit) => ({
    offsets: counts.subarray(digit * RADIX, (digit + 1) * RADIX),
    shift: 8 * digit,
  }))
    .filter(({ offsets: offsets }) => !offsets.includes(keys.length))
    .map(({ offsets: offsets, shift }) => {
      for (let value = 0, begin = 0; value < RADIX; value++) {
        const count = offsets[value]!;
        offsets[value] = begin;
        begin += count;
      }
      return { offsets: offsets, shift };
    });
}

function scatter(source: Uint32Array, target: Uint32Array, length: number, offsets: Uint32Array, shift: number): void {
  for (let i = 0; i < length; i++) {
    const key = source[i]!;
    target[offsets[(key >>> shift) & 255]!++] = key;
  }
}

function scatterPairs(
  source: Uint32Array,
  target: Uint32Array,
  sourcePayload: Uint32Array,
  targetPayload: Uint32Array,
  offsets: Uint32Array,
  shift: number,
): void {
  for (let i = 0; i < source.length; i++) {
    const key = source[i]!;
    const offset = offsets[(key >>> shift) & 255]!++;
    target[offset] = key;
    targetPayload[offset] = sourcePayload[i]!;
  }
}
