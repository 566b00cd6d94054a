// What puts the bags of rows in another order: a module of its own, whose memory holds one column of them, as it is and in order. Where a row's
// items lie is no more than chance, and how many there are is too: whoever waits for one row before asking for the next waits for
// each. So some rows are asked for together.

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
 * Copies the items of rows `begin` to `end` of an order, one behind the other. Up to three words are read behind an item, and written
 * behind the last.
 * @param items a word each
 */
export function copyItems(spans: usize, begin: i32, end: i32, items: usize, into: usize): void {
  let to = into;
  for (let from = begin; from < end; from += TOGETHER) {
    const stop = min(end, from + TOGETHER);
    let any: u32 = 0;
    for (let i = from; i < stop; i++) any ^= load<u32>(items + (<usize>load<u32>(spans + (<usize>i << 3)) << 2)) ^ load<u32>(items + (<usize>load<u32>(spans + (<usize>i << 3), 4) << 2));
    store<u32>(read, any);
    for (let i = from; i < stop; i++) {
      const first = items + (<usize>load<u32>(spans + (<usize>i << 3)) << 2);
      const bytes = (<usize>load<u32>(spans + (<usize>i << 3), 4) << 2) + items - first;
      for (let done: usize = 0; done < bytes; done += 16) v128.store(to + done, v128.load(first + done));
      to += bytes;
    }
  }
}
