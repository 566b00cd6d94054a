// Finds where the cells of plain lines end, 64 bytes at a time.

const LF: u32 = 10;
const CR: u32 = 13;
/**
 * Places that are stored at once, needed or not: how many there are is nothing that can be foreseen, and asking for
 * each takes longer.
 */
const AT_ONCE: usize = 8;

/**
 * Cuts lines into cells, as many whole lines as there are from `begin` to `end`, `most` at the most. A line of nothing
 * is passed over; one
 * that has not `width` cells ends it, and stays.
 *
 * Of each row goes to `places`, a word each, where its line begins and where its cells end, one row behind the other.
 * Of the beginning the
 * place before is kept, so that a cell begins behind the end of the one before it. Up to 8 words behind the last row
 * are written over.
 * Behind 63 bytes more than `end` there must be memory, and in them neither line feed nor separator.
 * @param lines where the numbers of the lines go
 * @param line number of the line at `begin`
 * @param next where the place behind all that was cut goes, and the number of the line there
 * @returns how many rows were cut
 */
export function cut(
  begin: usize, end: usize, separator: u32, width: u32, most: u32, places: usize, lines: usize, line: u32, next: usize,
): u32 {
  const separators = i8x16.splat(<i8>separator);
  const feeds = i8x16.splat(<i8>LF);
  let rows: u32 = 0;
  let start = begin;
  const stride = (<usize>width + 1) << 2;
  let row = places;
  let into = row + 4;
  let last = row + stride - 4;
  store<u32>(row, <u32>(start - 1));
  for (let block = begin; block < end; block += 64) {
    const a = v128.load(block);
    const b = v128.load(block + 16);
    const c = v128.load(block + 32);
    const d = v128.load(block + 48);
    let inner = bits(
      i8x16.eq(a, separators), i8x16.eq(b, separators), i8x16.eq(c, separators), i8x16.eq(d, separators),
    );
    for (
      let outer = bits(i8x16.eq(a, feeds), i8x16.eq(b, feeds), i8x16.eq(c, feeds), i8x16.eq(d, feeds));
      ;
      outer &= outer - 1
    ) {
      // Separators before the next line feed, or all that are left.
      const before = outer - 1 & ~outer;
      let some = inner & before;
      const behind = into + 4 * <usize>popcnt(some);
      // A cell too many.
      if (behind > last) return leave(next, start, line, rows);
      for (let to = into; to < behind; to += AT_ONCE << 2) {
        some = placeOf(some, block, to);
        some = placeOf(some, block, to + 4);
        some = placeOf(some, block, to + 8);
        some = placeOf(some, block, to + 12);
        some = placeOf(some, block, to + 16);
        some = placeOf(some, block, to + 20);
        some = placeOf(some, block, to + 24);
        some = placeOf(some, block, to + 28);
      }
      into = behind;
      if (outer == 0) break;
      inner &= ~before;
      const place = block + <usize>ctz(outer);
      const stop = place > start && load<u8>(place - 1) == CR ? place - 1 : place;
      start = place + 1;
      if (into == row + 4 && stop == load<u32>(row) + 1) {
        store<u32>(row, <u32>(start - 1));
        line++;
        continue;
      }
      if (into != last) return leave(next, load<u32>(row) + 1, line, rows);
      store<u32>(into, <u32>stop);
      store<u32>(lines + 4 * rows, line);
      line++;
      row += stride;
      into = row + 4;
      last += stride;
      if (++rows == most) return leave(next, start, line, rows);
      store<u32>(row, <u32>(start - 1));
    }
  }
  return leave(next, start, line, rows);
}

/** Stores the place of the first bit that is set, and takes it away. */
// @ts-ignore: decorator
@inline
function placeOf(some: u64, block: usize, into: usize): u64 {
  store<u32>(into, <u32>block + <u32>ctz(some));
  return some & (some - 1);
}

/** A bit for each of 64 bytes: whether it is all ones. */
// @ts-ignore: decorator
@inline
function bits(a: v128, b: v128, c: v128, d: v128): u64 {
  return (
    <u64>(<u32>i8x16.bitmask(a)) |
    (<u64>(<u32>i8x16.bitmask(b)) << 16) |
    (<u64>(<u32>i8x16.bitmask(c)) << 32) |
    (<u64>(<u32>i8x16.bitmask(d)) << 48)
  );
}

// @ts-ignore: decorator
@inline
function leave(next: usize, start: usize, line: u32, rows: u32): u32 {
  store<u32>(next, <u32>start);
  store<u32>(next, line, 4);
  return rows;
}
