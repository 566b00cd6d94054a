// Finds where the cells of plain lines end, 64 bytes at a time.

const LF: u32 = 10;
const CR: u32 = 13;

/**
 * Cuts lines into cells, as many whole lines as there are from `begin` to `end`, `most` at the most. A line of nothing is passed over; one
 * that has not `width` cells ends it, and stays.
 *
 * Where cells end goes to `cells`, a column at a time, each `stride` bytes behind the other; before the first column stands where each line
 * begins. Of all these the place before is kept, so that a cell begins behind the end of the one before it. Behind 63 bytes more than `end`
 * there must be memory, and in them neither line feed nor separator.
 * @param lines where the numbers of the lines go
 * @param line number of the line at `begin`
 * @param next where the place behind all that was cut goes, and the number of the line there
 * @returns how many rows were cut
 */
export function cut(begin: usize, end: usize, separator: u32, width: u32, most: u32, cells: usize, stride: usize, lines: usize, line: u32, next: usize): u32 {
  const separators = i8x16.splat(<i8>separator);
  const feeds = i8x16.splat(<i8>LF);
  let rows: u32 = 0;
  let start = begin;
  let row = cells;
  let into = cells + stride;
  let last = cells + <usize>width * stride;
  store<u32>(row, <u32>(start - 1));
  for (let block = begin; block < end; block += 64) {
    const a = v128.load(block);
    const b = v128.load(block + 16);
    const c = v128.load(block + 32);
    const d = v128.load(block + 48);
    let inner = bits(i8x16.eq(a, separators), i8x16.eq(b, separators), i8x16.eq(c, separators), i8x16.eq(d, separators));
    for (let outer = bits(i8x16.eq(a, feeds), i8x16.eq(b, feeds), i8x16.eq(c, feeds), i8x16.eq(d, feeds)); ; outer &= outer - 1) {
      // Separators before the next line feed, or all that are left.
      const before = outer - 1 & ~outer;
      const cellsBefore = <usize>popcnt(inner & before) * stride;
      // A cell too many.
      if (into + cellsBefore > last) return leave(next, start, line, rows);
      for (let some = inner & before; some != 0; some &= some - 1) {
        store<u32>(into, <u32>block + <u32>ctz(some));
        into += stride;
      }
      if (outer == 0) break;
      inner &= ~before;
      const place = block + <usize>ctz(outer);
      const stop = place > start && load<u8>(place - 1) == CR ? place - 1 : place;
      start = place + 1;
      if (into == row + stride && stop == load<u32>(row) + 1) {
        store<u32>(row, <u32>(start - 1));
        line++;
        continue;
      }
      if (into != last) return leave(next, load<u32>(row) + 1, line, rows);
      store<u32>(into, <u32>stop);
      store<u32>(lines + 4 * rows, line);
      line++;
      row += 4;
      into = row + stride;
      last += 4;
      if (++rows == most) return leave(next, start, line, rows);
      store<u32>(row, <u32>(start - 1));
    }
  }
  return leave(next, start, line, rows);
}

/** A bit for each of 64 bytes: whether it is all ones. */
// @ts-ignore: decorator
@inline
function bits(a: v128, b: v128, c: v128, d: v128): u64 {
  return <u64>(<u32>i8x16.bitmask(a)) | (<u64>(<u32>i8x16.bitmask(b)) << 16) | (<u64>(<u32>i8x16.bitmask(c)) << 32) | (<u64>(<u32>i8x16.bitmask(d)) << 48);
}

// @ts-ignore: decorator
@inline
function leave(next: usize, start: usize, line: u32, rows: u32): u32 {
  store<u32>(next, <u32>start);
  store<u32>(next, line, 4);
  return rows;
}
