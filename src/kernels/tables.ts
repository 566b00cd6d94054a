// Embedding tables: lookup, and gradients of distinct rows. D is a table's width. A row of a table lies together with
// what
// the optimizer keeps for it, `stride` floats in all, so that a visit costs one page of memory and not one for each.

import { keep, look } from './finite';
import { has, shareBegin, shareEnd, take } from './team';

/** Stands in a place of the hash table that holds nothing. */
export const EMPTY: u32 = 0xffffffff;

/** y[b, 0 … D) = table[ids[b]]; rows are shared among workers. */
export function lookup(ids: usize, table: usize, stride: i32, width: i32, y: usize, ldy: i32, rows: i32): void {
  const end = shareEnd(rows, 4);
  const strideBytes = <usize>stride << 2;
  const bytes = <usize>width << 2;
  for (let b = shareBegin(rows, 4); b < end; b++) {
    let from = table + <usize>load<u32>(ids + (<usize>b << 2)) * strideBytes;
    let to = y + (<usize>b * ldy << 2);
    const stop = from + bytes;
    for (; from + 16 <= stop; from += 16, to += 16) v128.store(to, v128.load(from));
    for (; from < stop; from += 4, to += 4) store<u32>(to, load<u32>(from));
  }
}

/** Places of a hash table for so many keys, less one: a power of two, at most half full. */
// @ts-ignore: decorator
@inline
export function hashMask(keys: i32): u32 {
  return (<u32>1 << (32 - clz<u32>(<u32>max(2 * keys, 2) - 1))) - 1;
}

/**
 * Where the hash table knows a table's row, or the empty place where it belongs (Knuth's multiplicative hash, linear
 * probing). A place holds the number of a distinct row. It is as large as a batch, not as a table, so it stays in the
 * cache.
 */
// @ts-ignore: decorator
@inline
export function placeOf(row: u32, hash: usize, mask: u32, distinct: usize): usize {
  let h = (row * 0x9e3779b1) >> clz<u32>(mask);
  let at = hash + (<usize>h << 2);
  let slot = load<u32>(at);
  while (slot != EMPTY && load<u32>(distinct + (<usize>slot << 2)) != row) {
    h = (h + 1) & mask;
    at = hash + (<usize>h << 2);
    slot = load<u32>(at);
  }
  return at;
}

/**
 * Adds one field's gradients to the distinct rows of its table; the worker that takes the table does all of it.
 * @param claim of the table
 * @param hash room for `hashMask(keys) + 1` words
 * @param distinct the distinct rows
 * @param gradients of them, in the area that is added to; the first one to meet a row clears it in `areas - 1` areas
 * behind
 * @param countAt three words: the number of distinct rows, one that is free, and the most that they can be in this
 * batch (keys)
 * @param fresh where there is a 1, the first field begins anew; else it adds to what another batch left
 */
export function gatherGradients(
  claim: usize, ids: usize, d: usize, ldd: i32, width: i32, hash: usize, distinct: usize, gradients: usize, areas: i32,
  areaBytes: usize, countAt: usize, rows: i32, isFirstField: i32, fresh: usize,
): void {
  if (isFirstField ? !take(claim) : !has()) return;
  const keys = load<u32>(countAt, 8);
  const mask = hashMask(keys);
  let count = open(hash, mask, countAt, isFirstField && load<u32>(fresh));
  const bytes = <usize>width << 2;
  let found = f32x4.splat(0);
  for (let b = 0; b < rows; b++) {
    const row = load<u32>(ids + (<usize>b << 2));
    const place = placeOf(row, hash, mask, distinct);
    let slot = load<u32>(place);
    let from = d + (<usize>b * ldd << 2);
    const stop = from + bytes;
    if (slot == EMPTY) {
      // A full hash table would be searched for ever.
      if (count == keys) unreachable();
      slot = count++;
      store<u32>(place, slot);
      store<u32>(distinct + (<usize>slot << 2), row);
      let to = gradients + <usize>slot * bytes;
      for (let area = 1; area < areas; area++) memory.fill(to + <usize>area * areaBytes, 0, bytes);
      for (; from + 16 <= stop; from += 16, to += 16) {
        const v = v128.load(from);
        v128.store(to, v);
        found = look(found, v);
      }
      for (; from < stop; from += 4, to += 4) {
        const x = load<f32>(from);
        store<f32>(to, x);
        found = look(found, f32x4.splat(x));
      }
    } else {
      let to = gradients + <usize>slot * bytes;
      for (; from + 16 <= stop; from += 16, to += 16) {
        const v = f32x4.add(v128.load(to), v128.load(from));
        v128.store(to, v);
        found = look(found, v);
      }
      for (; from < stop; from += 4, to += 4) {
        const x = load<f32>(to) + load<f32>(from);
        store<f32>(to, x);
        found = look(found, f32x4.splat(x));
      }
    }
  }
  keep(found);
  store<u32>(countAt, count);
}

/** Begins with a table: the number of distinct rows so far, none where its hash table is cleared. */
// @ts-ignore: decorator
@inline
export function open(hash: usize, mask: u32, countAt: usize, isFresh: bool): u32 {
  if (!isFresh) return load<u32>(countAt);
  memory.fill(hash, 0xff, (<usize>mask + 1) << 2);
  return 0;
}
