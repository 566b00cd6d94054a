// Bags: any number of weighted rows of a table, pooled into one. `bag` is where two addresses are found, of the items'
// ids and
// of their factors: they lie where there is room, which a batch decides. Row b has items offsets[b] … offsets[b + 1].

import { keep, look } from './finite';
import { EMPTY, hashMask, open, placeOf } from './tables';
import { has, shareBegin, shareEnd, take } from './team';
import { multiplyAdd } from './vector';

// How weights become factors: what Σ w·e is divided by. The engine names them by these numbers.
const MEAN = 1;

/**
 * Turns weights into factors, w / Σ w or w / √Σ w², in place; zeros where the divisor is 0. Rows are shared among
 * workers.
 */
export function poolingFactors(bag: usize, offsets: usize, pooling: i32, rows: i32): void {
  const end = shareEnd(rows, 4);
  const factors = load<usize>(bag, 4);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const first = factors + (<usize>load<u32>(offsets + (<usize>b << 2)) << 2);
    const stop = factors + (<usize>load<u32>(offsets + (<usize>b << 2), 4) << 2);
    let sum: f64 = 0, squares: f64 = 0;
    for (let at = first; at < stop; at += 4) {
      const weight = <f64>load<f32>(at);
      sum += weight;
      squares += weight * weight;
    }
    const divisor = pooling == MEAN ? sum : Math.sqrt(squares);
    const scale = divisor == 0 ? 0 : 1 / divisor;
    for (let at = first; at < stop; at += 4) store<f32>(at, <f32>(scale * <f64>load<f32>(at)));
  }
}

/** y[b, 0 … width) = Σ factor · table[id] over the items of row b; rows are shared among workers. */
export function lookupBags(
  bag: usize, offsets: usize, table: usize, stride: i32, width: i32, y: usize, ldy: i32, rows: i32,
): void {
  const end = shareEnd(rows, 4);
  const ids = load<usize>(bag), factors = load<usize>(bag, 4);
  const strideBytes = <usize>stride << 2;
  const bytes = <usize>width << 2;
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const to = y + (<usize>b * ldy << 2);
    const first = <usize>load<u32>(offsets + (<usize>b << 2)) << 2;
    const stop = <usize>load<u32>(offsets + (<usize>b << 2), 4) << 2;
    let i: usize = 0;
    for (; i + 64 <= bytes; i += 64) {
      let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
      for (let item = first; item < stop; item += 4) {
        const from = table + i + <usize>load<u32>(ids + item) * strideBytes;
        const factor = v128.load32_splat(factors + item);
        s0 = multiplyAdd(factor, v128.load(from), s0);
        s1 = multiplyAdd(factor, v128.load(from, 16), s1);
        s2 = multiplyAdd(factor, v128.load(from, 32), s2);
        s3 = multiplyAdd(factor, v128.load(from, 48), s3);
      }
      v128.store(to + i, s0);
      v128.store(to + i, s1, 16);
      v128.store(to + i, s2, 32);
      v128.store(to + i, s3, 48);
    }
    for (; i + 16 <= bytes; i += 16) {
      let sum = f32x4.splat(0);
      for (let item = first; item < stop; item += 4)
        sum = multiplyAdd(
          v128.load32_splat(factors + item), v128.load(table + i + <usize>load<u32>(ids + item) * strideBytes), sum,
        );
      v128.store(to + i, sum);
    }
    for (; i < bytes; i += 4) {
      let sum: f32 = 0;
      for (let item = first; item < stop; item += 4)
        sum += load<f32>(factors + item) * load<f32>(table + i + <usize>load<u32>(ids + item) * strideBytes);
      store<f32>(to + i, sum);
    }
  }
}

/**
 * Adds the gradients of a bag's items to the distinct rows of their table, as `gatherGradients` does for a field with
 * one id.
 * The worker that takes the table does all of it, item by item.
 */
export function gatherBagGradients(
  claim: usize, bag: usize, offsets: usize, d: usize, ldd: i32, width: i32, hash: usize, distinct: usize,
  gradients: usize, areas: i32, areaBytes: usize, countAt: usize, rows: i32, isFirstField: i32, fresh: usize,
): void {
  if (isFirstField ? !take(claim) : !has()) return;
  const ids = load<usize>(bag), factors = load<usize>(bag, 4);
  const keys = load<u32>(countAt, 8);
  const mask = hashMask(keys);
  let count = open(hash, mask, countAt, isFirstField && load<u32>(fresh));
  const bytes = <usize>width << 2;
  for (let b = 0; b < rows; b++) {
    const from = d + (<usize>b * ldd << 2);
    const stop = <usize>load<u32>(offsets + (<usize>b << 2), 4) << 2;
    for (let item = <usize>load<u32>(offsets + (<usize>b << 2)) << 2; item < stop; item += 4) {
      const row = load<u32>(ids + item);
      const place = placeOf(row, hash, mask, distinct);
      let slot = load<u32>(place);
      if (slot == EMPTY) {
        if (count == keys) unreachable();
        slot = count++;
        store<u32>(place, slot);
        store<u32>(distinct + (<usize>slot << 2), row);
        for (let area = 0; area < areas; area++)
          clearRow(gradients + <usize>slot * bytes + <usize>area * areaBytes, bytes);
      }
      addRow(gradients + <usize>slot * bytes, from, load<f32>(factors + item), bytes);
    }
  }
  store<u32>(countAt, count);
}

/** Zeros; a row is too short for a call of `memory.fill`. */
// @ts-ignore: decorator
@inline
function clearRow(to: usize, bytes: usize): void {
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) v128.store(to + i, f32x4.splat(0));
  for (; i < bytes; i += 4) store<f32>(to + i, 0);
}

/** to += factor · from, over so many bytes of floats. */
// @ts-ignore: decorator
@inline
function addRow(to: usize, from: usize, factor: f32, bytes: usize): void {
  let found = f32x4.splat(0);
  const factor4 = f32x4.splat(factor);
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) {
    const v = multiplyAdd(factor4, v128.load(from + i), v128.load(to + i));
    v128.store(to + i, v);
    found = look(found, v);
  }
  for (; i < bytes; i += 4) {
    const x = load<f32>(to + i) + factor * load<f32>(from + i);
    store<f32>(to + i, x);
    found = look(found, f32x4.splat(x));
  }
  keep(found);
}
