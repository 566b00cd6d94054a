// What puts rows in another order, and looks at them: a module of its own, whose memories hold columns of words, or a
// column of bags, as
// they are read and in order. Where a row lies is no more than chance: whoever waits for one row before asking for the
// next waits for
// each. So four columns are asked for at once, and the items of some rows together.

/** Where memory is free: what lies below belongs to the module. */
export function heapBase(): usize {
  return __heap_base;
}

/** Rows that are asked for together: their items stay in a processor's own memory until they are copied. */
const TOGETHER: i32 = 256;

/** Somewhere to leave what was only read so that it comes near. */
const read = memory.data(4);

/**
 * Finds the items of rows in an order.
 * @param offsets where the items of a row begin, and those of the last end
 * @param order `count` numbers of rows
 * @param spans two words a row of the order: where its items begin, and where they end
 * @param into the offsets of rows in that order, `count` + 1
 */
export function findItems(offsets: usize, order: usize, count: i32, spans: usize, into: usize): void {
  let at: u32 = 0;
  store<u32>(into, 0);
  for (let i: usize = 0; i < <usize>count; i++) {
    const span = load<u64>(offsets + (<usize>load<u32>(order + (i << 2)) << 2));
    store<u64>(spans + (i << 3), span);
    at += <u32>(span >> 32) - <u32>span;
    store<u32>(into + (i << 2), at, 4);
  }
}

/**
 * Copies the items of rows `begin` to `end` of an order, one behind the other. Up to three words are read behind an
 * item, and written
 * behind the last.
 * @param items a word each
 */
export function copyItems(spans: usize, begin: i32, end: i32, items: usize, into: usize): void {
  let to = into;
  for (let from = begin; from < end; from += TOGETHER) {
    const stop = min(end, from + TOGETHER);
    let any: u32 = 0;
    for (let i = from; i < stop; i++)
      any ^=
        load<u32>(items + (<usize>load<u32>(spans + (<usize>i << 3)) << 2)) ^
        load<u32>(items + (<usize>load<u32>(spans + (<usize>i << 3), 4) << 2));
    store<u32>(read, any);
    for (let i = from; i < stop; i++) {
      const first = items + (<usize>load<u32>(spans + (<usize>i << 3)) << 2);
      const bytes = (<usize>load<u32>(spans + (<usize>i << 3), 4) << 2) + items - first;
      for (let done: usize = 0; done < bytes; done += 16) v128.store(to + done, v128.load(first + done));
      to += bytes;
    }
  }
}

/**
 * Puts four columns beside each other, so that one look finds what a row has in all. Up to three rows are read and
 * written behind the last.
 * @param into four words a row
 */
export function joinColumns(a: usize, b: usize, c: usize, d: usize, rows: i32, into: usize): void {
  for (let at: usize = 0; at < <usize>rows << 2; at += 16)
    storeTurned(
      v128.load(a + at), v128.load(b + at), v128.load(c + at), v128.load(d + at), into + (at << 2),
      into + (at << 2) + 16, into + (at << 2) + 32, into + (at << 2) + 48,
    );
}

/**
 * Takes the rows of an order from columns beside each other and puts them apart again, one behind the other. Up to
 * three rows of the
 * order are read behind the last, which must be rows too, and written.
 */
export function partColumns(joined: usize, order: usize, count: i32, a: usize, b: usize, c: usize, d: usize): void {
  for (let at: usize = 0; at < <usize>count << 2; at += 16) {
    const p = order + at;
    storeTurned(
      rowOf(joined, load<u32>(p)), rowOf(joined, load<u32>(p, 4)), rowOf(joined, load<u32>(p, 8)),
      rowOf(joined, load<u32>(p, 12)), a + at, b + at, c + at, d + at,
    );
  }
}

// @ts-ignore: decorator
@inline function rowOf(joined: usize, row: u32): v128 {
  return v128.load(joined + (<usize>row << 4));
}

/** Stores the columns of four times four words. */
// @ts-ignore: decorator
@inline function storeTurned(x: v128, y: v128, z: v128, w: v128, a: usize, b: usize, c: usize, d: usize): void {
  const xy01 = v128.shuffle<i32>(x, y, 0, 4, 1, 5);
  const xy23 = v128.shuffle<i32>(x, y, 2, 6, 3, 7);
  const zw01 = v128.shuffle<i32>(z, w, 0, 4, 1, 5);
  const zw23 = v128.shuffle<i32>(z, w, 2, 6, 3, 7);
  v128.store(a, v128.shuffle<i64>(xy01, zw01, 0, 2));
  v128.store(b, v128.shuffle<i64>(xy01, zw01, 1, 3));
  v128.store(c, v128.shuffle<i64>(xy23, zw23, 0, 2));
  v128.store(d, v128.shuffle<i64>(xy23, zw23, 1, 3));
}

/** The largest of some words, with only the bits of a mask; 0 where there is none. */
export function largest(words: usize, count: i32, mask: u32): u32 {
  const masks = i32x4.splat(mask);
  let some = i32x4.splat(0);
  let others = i32x4.splat(0);
  const end = words + (<usize>count << 2);
  let at = words;
  for (; at + 32 <= end; at += 32) {
    some = i32x4.max_u(some, v128.and(v128.load(at), masks));
    others = i32x4.max_u(others, v128.and(v128.load(at, 16), masks));
  }
  some = i32x4.max_u(some, others);
  let most = max(
    max(<u32>i32x4.extract_lane(some, 0), <u32>i32x4.extract_lane(some, 1)),
    max(<u32>i32x4.extract_lane(some, 2), <u32>i32x4.extract_lane(some, 3)),
  );
  for (; at < end; at += 4) most = max(most, load<u32>(at) & mask);
  return most;
}
