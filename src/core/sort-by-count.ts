const DIGITS = 1 << 16;

/** Sorts indices by their counts in descending order. Stable (radix sort, 16 bits per pass). */
export function sortByCount(order: Uint32Array, counts: Uint32Array): void {
  let [from, to]: [Uint32Array, Uint32Array] = [order, new Uint32Array(order.length)];
  for (const shift of [0, 16]) {
    const begins = new Uint32Array(DIGITS);
    for (const index of from) begins[(~counts[index]! >>> shift) & (DIGITS - 1)]!++;
    // All counts share these bits.
    if (begins.includes(from.length)) continue;
    for (let digit = 0, begin = 0; digit < DIGITS; digit++) {
      const count = begins[digit]!;
      begins[digit] = begin;
      begin += count;
    }
    for (const index of from) to[begins[(~counts[index]! >>> shift) & (DIGITS - 1)]!++] = index;
    [from, to] = [to, from];
  }
  if (from !== order) order.set(from);
}
