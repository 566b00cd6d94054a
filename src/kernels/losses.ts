// Losses of a batch, from logits, and their gradients. Labels, masks and weights are columns of one float a row; a mask
// or
// weights at address 0 are all ones. The mean is over the rows that the mask admits.

import { isFirst, shareBegin, shareEnd } from './team';

/** Rows that a mask admits: by every worker, in one order. */
function countOf(mask: usize, rows: i32): f64 {
  if (mask == 0) return rows;
  let count: f64 = 0;
  for (let b = 0; b < rows; b++) count += load<f32>(mask + (<usize>b << 2));
  return count;
}

/**
 * The rows that a mask admits here, a double to `out`, by the first worker: where they are added up over several
 * processes before a loss is divided by them.
 */
export function countRows(mask: usize, out: usize, rows: i32): void {
  if (isFirst()) store<f64>(out, countOf(mask, rows));
}

/**
 * What a sum over rows is divided by: the double behind the weight where one is given, else the rows that count in this
 * batch.
 */
function divisor(weight: usize, mask: usize, rows: i32): f64 {
  const given = load<f64>(weight, 8);
  return given > 0 ? given : max(countOf(mask, rows), 1);
}

// @ts-ignore: decorator
@inline
function valueAt(column: usize, b: i32): f64 {
  return column == 0 ? 1 : <f64>load<f32>(column + (<usize>b << 2));
}

/** log(1 + e^x) */
// @ts-ignore: decorator
@inline
function softplus(x: f64): f64 {
  return max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

// @ts-ignore: decorator
@inline
function put(address: usize, value: f64, accumulate: i32): void {
  store<f32>(address, accumulate ? load<f32>(address) + <f32>value : <f32>value);
}

/**
 * -[y log σ(z) + (1 - y) log(1 - σ(z))]; each row's loss to `losses`, its gradient times the weight that lies at
 * `weight` to `dz`.
 */
export function binaryCrossEntropy(
  z: usize, ldz: i32, label: usize, mask: usize, weights: usize, losses: usize, dz: usize, rows: i32, weight: usize,
  accumulate: i32,
): void {
  const factor = <f64>load<f32>(weight) / divisor(weight, mask, rows);
  const end = shareEnd(rows, 4);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const x = <f64>load<f32>(z + (<usize>b * ldz << 2)),
      y = valueAt(label, b),
      share = valueAt(mask, b) * valueAt(weights, b);
    store<f32>(losses + (<usize>b << 2), <f32>(share * (softplus(x) - y * x)));
    put(dz + (<usize>b * ldz << 2), factor * share * (1 / (1 + Math.exp(-x)) - y), accumulate);
  }
}

/** (prediction - label)² */
export function squaredError(
  z: usize, ldz: i32, label: usize, mask: usize, weights: usize, losses: usize, dz: usize, rows: i32, weight: usize,
  accumulate: i32,
): void {
  const factor = <f64>load<f32>(weight) / divisor(weight, mask, rows);
  const end = shareEnd(rows, 4);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const distance = <f64>load<f32>(z + (<usize>b * ldz << 2)) - valueAt(label, b),
      share = valueAt(mask, b) * valueAt(weights, b);
    store<f32>(losses + (<usize>b << 2), <f32>(share * distance * distance));
    put(dz + (<usize>b * ldz << 2), 2 * factor * share * distance, accumulate);
  }
}

/** x */
export function mean(
  z: usize, ldz: i32, mask: usize, weights: usize, losses: usize, dz: usize, rows: i32, weight: usize, accumulate: i32,
): void {
  const factor = <f64>load<f32>(weight) / divisor(weight, mask, rows);
  const end = shareEnd(rows, 4);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const share = valueAt(mask, b) * valueAt(weights, b);
    store<f32>(losses + (<usize>b << 2), <f32>(share * load<f32>(z + (<usize>b * ldz << 2))));
    put(dz + (<usize>b * ldz << 2), factor * share, accumulate);
  }
}

/**
 * Puts 1 at `refused` where one of `count` numbers is not finite. Of losses of rows: exactly then their mean is not.
 */
export function checkFinite(numbers: usize, refused: usize, count: i32): void {
  const end = shareEnd(count, 4);
  for (let i = shareBegin(count, 4); i < end; i++)
    if (!isFinite<f32>(load<f32>(numbers + (<usize>i << 2)))) store<u32>(refused, 1);
}

/** out = [mean loss, rows that count], in doubles, by the first worker. */
export function meanLoss(losses: usize, mask: usize, out: usize, rows: i32): void {
  if (!isFirst()) return;
  let sum: f64 = 0;
  for (let b = 0; b < rows; b++) sum += load<f32>(losses + (<usize>b << 2));
  const count = countOf(mask, rows);
  store<f64>(out, sum / max(count, 1));
  store<f64>(out, count, 8);
}
