// Batch norm (Ioffe & Szegedy 2015). Columns are shared among workers a cache line at a time; sums over rows run in
// single
// precision over a few rows, and in double precision over those.

import { watch, watch4 } from './finite';
import { isFirst, shareBegin, shareEnd, slotBegin, slotEnd } from './team';
import { addBlock, BLOCK, LINE, narrow } from './sums';

/**
 * y = (x - mean) / √(variance + ε) · gain + shift by the batch's own statistics, which are kept at `statistics` (mean,
 * then
 * 1/√, `columns` each) for the gradient; running statistics move by `momentum` (the variance is the unbiased one).
 * @param statistics with room for two doubles a column behind them
 * @param slot, slots which lines of columns these are among all that share the phase
 */
export function normalize(
  x: usize, ldx: i32, y: usize, ldy: i32, gain: usize, shift: usize, running: usize, statistics: usize, rows: i32,
  columns: i32, epsilon: f32, momentum: f32, slot: i32, slots: i32,
): void {
  const end = slotEnd(columns, slot, slots);
  const size = <usize>columns << 2;
  for (let line = slotBegin(columns, slot, slots); line < end; line += LINE) {
    const from = <usize>line << 2, to = <usize>min(line + LINE, columns) << 2;
    sumLine(x, ldx, statistics, size, rows, from, to);
    squareLine(x, ldx, statistics, size, rows, rows, from, to);
    scaleLine(x, ldx, y, ldy, gain, shift, running, statistics, size, rows, rows, epsilon, momentum, from, to);
  }
}

/**
 * The first third of `normalize` for a batch that several processes have parts of: Σ x of this one's rows, in doubles
 * behind the statistics.
 */
export function normalizeSums(
  x: usize, ldx: i32, statistics: usize, rows: i32, columns: i32, slot: i32, slots: i32,
): void {
  const end = slotEnd(columns, slot, slots);
  for (let line = slotBegin(columns, slot, slots); line < end; line += LINE) {
    sumLine(x, ldx, statistics, <usize>columns << 2, rows, <usize>line << 2, <usize>min(line + LINE, columns) << 2);
  }
}

/**
 * The second: the mean from everyone's Σ x, and Σ (x - mean)² of this one's rows.
 * @param allRows where the rows of everyone stand, a double
 */
export function normalizeSquares(
  x: usize, ldx: i32, statistics: usize, rows: i32, columns: i32, allRows: usize, slot: i32, slots: i32,
): void {
  const end = slotEnd(columns, slot, slots);
  for (let line = slotBegin(columns, slot, slots); line < end; line += LINE) {
    squareLine(
      x, ldx, statistics, <usize>columns << 2, rows, <i32>load<f64>(allRows), <usize>line << 2,
      <usize>min(line + LINE, columns) << 2,
    );
  }
}

/** The last: by everyone's Σ (x - mean)². */
export function normalizeTogether(
  x: usize, ldx: i32, y: usize, ldy: i32, gain: usize, shift: usize, running: usize, statistics: usize, rows: i32,
  columns: i32, epsilon: f32, momentum: f32, allRows: usize, slot: i32, slots: i32,
): void {
  const end = slotEnd(columns, slot, slots);
  for (let line = slotBegin(columns, slot, slots); line < end; line += LINE) {
    scaleLine(
      x, ldx, y, ldy, gain, shift, running, statistics, <usize>columns << 2, rows, <i32>load<f64>(allRows), epsilon,
      momentum, <usize>line << 2, <usize>min(line + LINE, columns) << 2,
    );
  }
}

/** Σ x of a line of columns. */
// @ts-ignore: decorator
@inline
function sumLine(x: usize, ldx: i32, statistics: usize, size: usize, rows: i32, from: usize, to: usize): void {
  const strideX = <usize>ldx << 2, sums = statistics + 2 * size, zero = f32x4.splat(0);
  memory.fill(sums + 2 * from, 0, 2 * (to - from));
  for (let b = 0; b < rows; b += BLOCK) {
    for (let n = from; n < to; n += 16) {
      let s0 = zero, s1 = zero;
      let at = x + <usize>b * strideX + n;
      for (const stop = at + <usize>min(BLOCK, rows - b) * strideX; at < stop; at += strideX) {
        s0 = f32x4.add(s0, v128.load(at));
        if ((at += strideX) < stop) s1 = f32x4.add(s1, v128.load(at));
      }
      addBlock(sums + 2 * n, f32x4.add(s0, s1));
    }
  }
}

/** The mean, and Σ (x - mean)². */
// @ts-ignore: decorator
@inline
function squareLine(
  x: usize, ldx: i32, statistics: usize, size: usize, rows: i32, allRows: i32, from: usize, to: usize,
): void {
  const strideX = <usize>ldx << 2,
    sums = statistics + 2 * size,
    zero = f32x4.splat(0),
    count = f64x2.splat(allRows);
  for (let n = from; n < to; n += 16)
    v128.store(
      statistics + n,
      narrow(f64x2.div(v128.load(sums + 2 * n), count), f64x2.div(v128.load(sums + 2 * n, 16), count)),
    );
  memory.fill(sums + 2 * from, 0, 2 * (to - from));
  for (let b = 0; b < rows; b += BLOCK) {
    for (let n = from; n < to; n += 16) {
      const mean = v128.load(statistics + n);
      let s0 = zero, s1 = zero;
      let at = x + <usize>b * strideX + n;
      for (const stop = at + <usize>min(BLOCK, rows - b) * strideX; at < stop; at += strideX) {
        const d = f32x4.sub(v128.load(at), mean);
        s0 = f32x4.add(s0, f32x4.mul(d, d));
        if ((at += strideX) >= stop) break;
        const e = f32x4.sub(v128.load(at), mean);
        s1 = f32x4.add(s1, f32x4.mul(e, e));
      }
      addBlock(sums + 2 * n, f32x4.add(s0, s1));
    }
  }
}

/** 1/√(variance + ε), the running statistics, and y. */
// @ts-ignore: decorator
@inline
function scaleLine(
  x: usize, ldx: i32, y: usize, ldy: i32, gain: usize, shift: usize, running: usize, statistics: usize, size: usize,
  rows: i32, allRows: i32, epsilon: f32, momentum: f32, from: usize, to: usize,
): void {
  const strideX = <usize>ldx << 2,
    strideY = <usize>ldy << 2,
    sums = statistics + 2 * size,
    count = f64x2.splat(allRows);
  for (let n = from; n < to; n += 16) {
    const variance = narrow(f64x2.div(v128.load(sums + 2 * n), count), f64x2.div(v128.load(sums + 2 * n, 16), count));
    v128.store(statistics + size + n, f32x4.div(f32x4.splat(1), f32x4.sqrt(f32x4.add(variance, f32x4.splat(epsilon)))));
    // A process without rows of a batch has no statistics of them.
    if (momentum == 0 || allRows == 0) continue;
    blend(running + n, v128.load(statistics + n), momentum, 1);
    // The running variance is the unbiased one; a batch of one row has none to give.
    if (allRows > 1) blend(running + size + n, variance, momentum, <f32>allRows / <f32>(allRows - 1));
  }
  for (let b = 0; b < rows; b += BLOCK) {
    for (let n = from; n < to; n += 16) {
      const mean = v128.load(statistics + n),
        scale = f32x4.mul(v128.load(statistics + size + n), v128.load(gain + n)),
        offset = v128.load(shift + n);
      let at = x + <usize>b * strideX + n,
        out = y + <usize>b * strideY + n;
      for (const stop = at + <usize>min(BLOCK, rows - b) * strideX; at < stop; at += strideX, out += strideY) {
        v128.store(out, f32x4.add(f32x4.mul(f32x4.sub(v128.load(at), mean), scale), offset));
      }
    }
  }
}

/** The same by the running statistics (mean, then variance), for evaluation. */
export function normalizeRunning(
  x: usize, ldx: i32, y: usize, ldy: i32, gain: usize, shift: usize, running: usize, rows: i32, columns: i32,
  epsilon: f32,
): void {
  const end = shareEnd(rows, 4);
  const size = <usize>columns << 2;
  for (let n: usize = 0; n < size; n += 16) {
    const mean = v128.load(running + n);
    const inverse = f32x4.div(
      f32x4.splat(1),
      f32x4.sqrt(f32x4.add(v128.load(running + size + n), f32x4.splat(epsilon))),
    );
    const scale = f32x4.mul(inverse, v128.load(gain + n)),
      offset = v128.load(shift + n);
    for (let b = shareBegin(rows, 4); b < end; b++) {
      const v = f32x4.sub(v128.load(x + (<usize>b * ldx << 2) + n), mean);
      v128.store(y + (<usize>b * ldy << 2) + n, f32x4.add(f32x4.mul(v, scale), offset));
    }
  }
}

/**
 * dx (+)= gain/√ (dy - mean(dy) - x̂ mean(dy x̂)), dgain = Σ dy x̂, dshift = Σ dy; columns are shared as in
 * `normalize`.
 */
export function normalizeGradient(
  x: usize, ldx: i32, dy: usize, ldy: i32, gain: usize, statistics: usize, dx: usize, dgain: usize, dshift: usize,
  rows: i32, columns: i32, accumulate: i32, slot: i32, slots: i32,
): void {
  const end = slotEnd(columns, slot, slots);
  for (let line = slotBegin(columns, slot, slots); line < end; line += LINE) {
    const from = <usize>line << 2, to = <usize>min(line + LINE, columns) << 2;
    gradientSumLine(x, ldx, dy, ldy, statistics, <usize>columns << 2, dgain, dshift, rows, from, to);
    gradientLine(x, ldx, dy, ldy, gain, statistics, <usize>columns << 2, dx, rows, rows, accumulate, from, to);
  }
}

/**
 * The first half of `normalizeGradient` for a batch that several processes have parts of: the sums over this one's
 * rows, also in doubles behind the statistics.
 */
export function normalizeGradientSums(
  x: usize, ldx: i32, dy: usize, ldy: i32, statistics: usize, dgain: usize, dshift: usize, rows: i32, columns: i32,
  slot: i32, slots: i32,
): void {
  const end = slotEnd(columns, slot, slots);
  for (let line = slotBegin(columns, slot, slots); line < end; line += LINE) {
    gradientSumLine(
      x, ldx, dy, ldy, statistics, <usize>columns << 2, dgain, dshift, rows, <usize>line << 2,
      <usize>min(line + LINE, columns) << 2,
    );
  }
}

/** The second: by everyone's sums. */
export function normalizeGradientTogether(
  x: usize, ldx: i32, dy: usize, ldy: i32, gain: usize, statistics: usize, dx: usize, rows: i32, columns: i32,
  allRows: usize, accumulate: i32, slot: i32, slots: i32,
): void {
  const end = slotEnd(columns, slot, slots);
  for (let line = slotBegin(columns, slot, slots); line < end; line += LINE) {
    gradientLine(
      x, ldx, dy, ldy, gain, statistics, <usize>columns << 2, dx, rows, <i32>load<f64>(allRows), accumulate,
      <usize>line << 2, <usize>min(line + LINE, columns) << 2,
    );
  }
}

/** Σ dy and Σ dy x̂ of a line of columns. */
// @ts-ignore: decorator
@inline
function gradientSumLine(
  x: usize, ldx: i32, dy: usize, ldy: i32, statistics: usize, size: usize, dgain: usize, dshift: usize, rows: i32,
  from: usize, to: usize,
): void {
  const strideX = <usize>ldx << 2,
    strideY = <usize>ldy << 2,
    sums = statistics + 2 * size,
    products = sums + 2 * size,
    zero = f32x4.splat(0);
  memory.fill(sums + 2 * from, 0, 2 * (to - from));
  memory.fill(products + 2 * from, 0, 2 * (to - from));
  for (let b = 0; b < rows; b += BLOCK) {
    for (let n = from; n < to; n += 16) {
      const mean = v128.load(statistics + n);
      let sum = zero, product = zero;
      let at = x + <usize>b * strideX + n, dyAt = dy + <usize>b * strideY + n;
      for (const stop = at + <usize>min(BLOCK, rows - b) * strideX; at < stop; at += strideX, dyAt += strideY) {
        const d = v128.load(dyAt);
        sum = f32x4.add(sum, d);
        product = f32x4.add(product, f32x4.mul(d, f32x4.sub(v128.load(at), mean)));
      }
      addBlock(sums + 2 * n, sum);
      addBlock(products + 2 * n, f32x4.mul(product, v128.load(statistics + size + n)));
    }
  }
  for (let n = from; n < to; n += 16) {
    const shift = narrow(v128.load(sums + 2 * n), v128.load(sums + 2 * n, 16)),
      scale = narrow(v128.load(products + 2 * n), v128.load(products + 2 * n, 16));
    v128.store(dshift + n, shift);
    v128.store(dgain + n, scale);
    watch4(shift);
    watch4(scale);
  }
}

/** dx of a line of columns. */
// @ts-ignore: decorator
@inline
function gradientLine(
  x: usize, ldx: i32, dy: usize, ldy: i32, gain: usize, statistics: usize, size: usize, dx: usize, rows: i32,
  allRows: i32, accumulate: i32, from: usize, to: usize,
): void {
  const strideX = <usize>ldx << 2,
    strideY = <usize>ldy << 2,
    sums = statistics + 2 * size,
    products = sums + 2 * size,
    count = f64x2.splat(allRows);
  for (let b = 0; b < rows; b += BLOCK) {
    for (let n = from; n < to; n += 16) {
      const mean = v128.load(statistics + n),
        inverse = v128.load(statistics + size + n),
        scale = f32x4.mul(inverse, v128.load(gain + n));
      const meanShift = narrow(
        f64x2.div(v128.load(sums + 2 * n), count),
        f64x2.div(v128.load(sums + 2 * n, 16), count),
      );
      const meanGain = narrow(
        f64x2.div(v128.load(products + 2 * n), count),
        f64x2.div(v128.load(products + 2 * n, 16), count),
      );
      let at = x + <usize>b * strideX + n,
        dyAt = dy + <usize>b * strideY + n,
        out = dx + <usize>b * strideX + n;
      for (
        const stop = at + <usize>min(BLOCK, rows - b) * strideX;
        at < stop;
        at += strideX, dyAt += strideY, out += strideX
      ) {
        const hat = f32x4.mul(f32x4.sub(v128.load(at), mean), inverse);
        let v = f32x4.mul(scale, f32x4.sub(f32x4.sub(v128.load(dyAt), meanShift), f32x4.mul(hat, meanGain)));
        if (accumulate) v = f32x4.add(v, v128.load(out));
        v128.store(out, v);
      }
    }
  }
}

/** running += momentum · (scale · batch - running) */
// @ts-ignore: decorator
@inline
function blend(at: usize, batch: v128, momentum: f32, scale: f32): void {
  const old = v128.load(at);
  v128.store(
    at,
    f32x4.add(old, f32x4.mul(f32x4.splat(momentum), f32x4.sub(f32x4.mul(batch, f32x4.splat(scale)), old))),
  );
}

/** g[n] = Σ dy min(x, 0): the gradient of one slope for all columns, by the first worker. */
export function preluSlope(x: usize, ldx: i32, dy: usize, ldy: i32, g: usize, rows: i32, width: i32): void {
  if (!isFirst()) return;
  let sum: f64 = 0;
  for (let b = 0; b < rows; b++) {
    for (let n = 0; n < width; n++)
      sum += load<f32>(dy + (<usize>(b * ldy + n) << 2)) * min<f32>(load<f32>(x + (<usize>(b * ldx + n) << 2)), 0);
  }
  store<f32>(g, <f32>sum);
  watch(<f32>sum);
}

/** g[n] = Σ dy x (1 - σ(z)): the gradient of the slopes of dice; columns are shared. */
export function diceSlopes(
  x: usize, ldx: i32, z: usize, ldz: i32, dy: usize, ldy: i32, g: usize, rows: i32, width: i32,
): void {
  const end = shareEnd(width, 1);
  for (let n = shareBegin(width, 1); n < end; n++) {
    let sum: f64 = 0;
    for (let b = 0; b < rows; b++) {
      const p: f32 = <f32>1 / (<f32>1 + Mathf.exp(-load<f32>(z + (<usize>(b * ldz + n) << 2))));
      sum += load<f32>(dy + (<usize>(b * ldy + n) << 2)) * load<f32>(x + (<usize>(b * ldx + n) << 2)) * (<f32>1 - p);
    }
    store<f32>(g + (<usize>n << 2), <f32>sum);
    watch(<f32>sum);
  }
}
