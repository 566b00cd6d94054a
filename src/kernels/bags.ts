// Bags: any number of weighted rows of a table, pooled into one. `bag` is where two addresses are found, of the items' ids and
// of their factors: they lie where there is room, which a batch decides. Row b has items offsets[b] … offsets[b + 1].

import { EMPTY, hashMask, placeOf } from './tables';
import { has, shareBegin, shareEnd, take } from './team';
import { multiplyAdd } from './vector';

// How weights become factors: what Σ w·e is divided by. The engine names them by these numbers.
const MEAN = 1;

/** Turns weights into factors, w / Σ w or w / √Σ w², in place; zeros where the divisor is 0. Rows are shared among workers. */
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
    for (let at = first; at < stop; at += 4) store<f32>(at, divisor == 0 ? 0 : <f32>(<f64>load<f32>(at) / divisor));
  }
}

/** y[b, 0 … width) = Σ factor · table[id] over the items of row b; rows are shared among workers. */
export function lookupBags(bag: usize, offsets: usize, table: usize, stride: i32, width: i32, y: usize, ldy: i32, rows: i32): void {
  const end = shareEnd(rows, 4);
  const ids = load<usize>(bag), factors = load<usize>(bag, 4);
  const strideBytes = <usize>stride << 2;
  const bytes = <usize>width << 2;
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const to = y + (<usize>b * ldy << 2);
    memory.fill(to, 0, bytes);
    const stop = <usize>load<u32>(offsets + (<usize>b << 2), 4) << 2;
    for (let item = <usize>load<u32>(offsets + (<usize>b << 2)) << 2; item < stop; item += 4) {
      addRow(to, table + <usize>load<u32>(ids + item) * strideBytes, load<f32>(factors + item), bytes);
    }
  }
}

/**
 * Adds the gradients of a bag's items to the distinct rows of their table, as `gatherGradients` does for a field with one id.
 * The worker that takes the table does all of it, item by item.
 */
export function gatherBagGradients(claim: usize, bag: usize, offsets: usize, d: usize, ldd: i32, width: i32, hash: usize, distinct: usize, gradients: usize, countAt: usize, rows: i32, isFirstField: i32): void {
  if (isFirstField ? !take(claim) : !has()) return;
  const ids = load<usize>(bag), factors = load<usize>(bag, 4);
  const mask = hashMask(load<i32>(countAt, 8));
  if (isFirstField) memory.fill(hash, 0xff, (<usize>mask + 1) << 2);
  let count = isFirstField ? <u32>0 : load<u32>(countAt);
  const bytes = <usize>width << 2;
  for (let b = 0; b < rows; b++) {
    const from = d + (<usize>b * ldd << 2);
    const stop = <usize>load<u32>(offsets + (<usize>b << 2), 4) << 2;
    for (let item = <usize>load<u32>(offsets + (<usize>b << 2)) << 2; item < stop; item += 4) {
      const row = load<u32>(ids + item);
      const place = placeOf(row, hash, mask, distinct);
      let slot = load<u32>(place);
      if (slot == EMPTY) {
        slot = count++;
        store<u32>(place, slot);
        store<u32>(distinct + (<usize>slot << 2), row);
        memory.fill(gradients + <usize>slot * bytes, 0, bytes);
      }
      addRow(gradients + <usize>slot * bytes, from, load<f32>(factors + item), bytes);
    }
  }
  store<u32>(countAt, count);
}

/** to += factor · from, over so many bytes of floats. */
// @ts-ignore: decorator
@inline
function addRow(to: usize, from: usize, factor: f32, bytes: usize): void {
  const factor4 = f32x4.splat(factor);
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) v128.store(to + i, multiplyAdd(factor4, v128.load(from + i), v128.load(to + i)));
  for (; i < bytes; i += 4) store<f32>(to + i, load<f32>(to + i) + factor * load<f32>(from + i));
}
