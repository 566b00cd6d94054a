/**
 * Frees a place of a hash table with linear probing: entries after it move back, so that every search still finds them
 * (Knuth, The Art of Computer Programming 3, 6.4, algorithm R).
 * @param place place of the entry to remove
 * @param mask number of places, a power of two, minus one
 * @param hashAt returns the hash of the entry in a place; undefined for a free place
 * @param move copies the entry of one place to another
 * @returns the place that the caller marks as free
 */
export function closeGap(
  place: number,
  mask: number,
  hashAt: (place: number) => number | undefined,
  move: (from: number, to: number) => void,
): number {
  let gap = place;
  for (let at = (gap + 1) & mask; ; at = (at + 1) & mask) {
    const hash = hashAt(at);
    if (hash === undefined) return gap;
    // Its first place by hash is cyclically after the gap.
    if (((at - hash) & mask) < ((at - gap) & mask)) continue;
    move(at, gap);
    gap = at;
  }
}
