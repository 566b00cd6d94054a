// Embedding tables: lookup, and gradients of distinct rows. D is a table's width.

import { owns, shareBegin, shareEnd } from './team';

/** y[b, 0 … D) = table[ids[b]]; rows are shared among workers. */
export function lookup(ids: usize, table: usize, width: i32, y: usize, ldy: i32, rows: i32): void {
  const end = shareEnd(rows, 4);
  const bytes = <usize>width << 2;
  for (let b = shareBegin(rows, 4); b < end; b++) {
    let from = table + <usize>load<u32>(ids + (<usize>b << 2)) * bytes;
    let to = y + (<usize>b * ldy << 2);
    const stop = from + bytes;
    for (; from + 16 <= stop; from += 16, to += 16) v128.store(to, v128.load(from));
    for (; from < stop; from += 4, to += 4) store<u32>(to, load<u32>(from));
  }
}

/**
 * Adds one field's gradients to the distinct rows of its table; the worker that owns the table does all of it.
 * @param slots where each row of the table stands among the distinct ones; a stale entry is told by asking whose it is
 * @param distinct the distinct rows, `count` of them at `countAt`
 */
export function gatherGradients(owner: i32, ids: usize, d: usize, ldd: i32, width: i32, slots: usize, distinct: usize, gradients: usize, countAt: usize, rows: i32, isFirstField: i32): void {
  if (!owns(owner)) return;
  let count = isFirstField ? <u32>0 : load<u32>(countAt);
  const bytes = <usize>width << 2;
  for (let b = 0; b < rows; b++) {
    const row = load<u32>(ids + (<usize>b << 2));
    const slotAt = slots + (<usize>row << 2);
    let slot = load<u32>(slotAt);
    let from = d + (<usize>b * ldd << 2);
    const stop = from + bytes;
    if (slot >= count || load<u32>(distinct + (<usize>slot << 2)) != row) {
      slot = count++;
      store<u32>(slotAt, slot);
      store<u32>(distinct + (<usize>slot << 2), row);
      let to = gradients + <usize>slot * bytes;
      for (; from + 16 <= stop; from += 16, to += 16) v128.store(to, v128.load(from));
      for (; from < stop; from += 4, to += 4) store<f32>(to, load<f32>(from));
    } else {
      let to = gradients + <usize>slot * bytes;
      for (; from + 16 <= stop; from += 16, to += 16) v128.store(to, f32x4.add(v128.load(to), v128.load(from)));
      for (; from < stop; from += 4, to += 4) store<f32>(to, load<f32>(to) + load<f32>(from));
    }
  }
  store<u32>(countAt, count);
}
