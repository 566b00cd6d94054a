// What losses compare within groups of a batch's rows: columns of one float a row. A group is a whole number, the same
// for its rows; a row
// whose number is below 0 is in no group, which is a group of its own. Rows of a group are always gone through in their
// order, so sums are
// the same for any number of workers. Where several processes have parts of a batch, its columns here have the rows of
// all of them; `part` is then
// where it stands of which rows, as doubles: how many there are, and the first of the `rows` that this process has. It
// is 0 where these are all.

import { shareBegin, shareEnd, slotBegin, slotEnd } from './team';

// Of three words a row in `links`: the first row of its group, the next one, and (of a first row, while they are made)
// the last so far.
// @ts-ignore: decorator
@inline
function firstOf(links: usize, b: i32): i32 {
  return load<i32>(links + (<usize>b * 12));
}

// @ts-ignore: decorator
@inline
function nextOf(links: usize, b: i32): i32 {
  return load<i32>(links + (<usize>b * 12), 4);
}

/** How many rows all processes have. */
// @ts-ignore: decorator
@inline
function allOf(part: usize, rows: i32): i32 {
  return part ? <i32>load<f64>(part) : rows;
}

/** The first row of this process's. */
// @ts-ignore: decorator
@inline
function firstOwn(part: usize): i32 {
  return part ? <i32>load<f64>(part, 8) : 0;
}

/**
 * Links the rows of each group in their order, -1 behind the last; by one worker.
 * @param links three words a row
 * @param places room for 2^bits words, twice as many as rows or more: an open hash table
 * @param columns of the phase by columns: one line
 */
export function linkGroups(
  groups: usize, ld: i32, links: usize, places: usize, bits: i32, rows: i32, part: usize, columns: i32, slot: i32,
  slots: i32,
): void {
  if (slotBegin(columns, slot, slots) == slotEnd(columns, slot, slots)) return;
  const all = allOf(part, rows);
  const mask = (1 << bits) - 1;
  memory.fill(places, 0, <usize>4 << bits);
  for (let b = 0; b < all; b++) {
    const group = load<f32>(groups + (<usize>b * ld << 2));
    const at = links + <usize>b * 12;
    let first = b;
    if (group >= 0) {
      let place = <i32>((reinterpret<u32>(group) * 0x9e3779b1) >>> <u32>(32 - bits));
      let other = load<i32>(places + (<usize>place << 2));
      while (other && load<f32>(groups + (<usize>(other - 1) * ld << 2)) != group) {
        place = (place + 1) & mask;
        other = load<i32>(places + (<usize>place << 2));
      }
      if (other) first = other - 1;
      else store<i32>(places + (<usize>place << 2), b + 1);
    }
    store<i32>(at, first);
    store<i32>(at, -1, 4);
    const head = links + <usize>first * 12;
    if (first != b) store<i32>(links + <usize>load<i32>(head, 8) * 12, b, 4);
    store<i32>(head, b, 8);
  }
}

// @ts-ignore: decorator
@inline
function floatAt(column: usize, ld: i32, b: i32): f64 {
  return load<f32>(column + (<usize>b * ld << 2));
}

/** y = log Σ e^x over the rows of the group; by the worker that has the column. */
export function groupLogSumExp(
  x: usize, ldx: i32, links: usize, y: usize, ldy: i32, rows: i32, part: usize, columns: i32, slot: i32, slots: i32,
): void {
  if (slotBegin(columns, slot, slots) == slotEnd(columns, slot, slots)) return;
  const count = allOf(part, rows);
  for (let first = 0; first < count; first++) {
    if (firstOf(links, first) != first) continue;
    let most = floatAt(x, ldx, first);
    for (let b = nextOf(links, first); b >= 0; b = nextOf(links, b)) most = max(most, floatAt(x, ldx, b));
    let sum: f64 = 0;
    for (let b = first; b >= 0; b = nextOf(links, b)) sum += Math.exp(floatAt(x, ldx, b) - most);
    const all = <f32>(most + Math.log(sum));
    for (let b = first; b >= 0; b = nextOf(links, b)) store<f32>(y + (<usize>b * ldy << 2), all);
  }
}

/** dx (+)= e^(x - y) Σ dy over the rows of the group, of this process's rows. */
export function groupLogSumExpGradient(
  x: usize, ldx: i32, links: usize, y: usize, ldy: i32, dy: usize, dx: usize, accumulate: i32, rows: i32, part: usize,
  columns: i32, slot: i32, slots: i32,
): void {
  if (slotBegin(columns, slot, slots) == slotEnd(columns, slot, slots)) return;
  const count = allOf(part, rows), begin = firstOwn(part), end = begin + rows;
  for (let first = 0; first < count; first++) {
    if (firstOf(links, first) != first) continue;
    let sum: f64 = 0;
    for (let b = first; b >= 0; b = nextOf(links, b)) sum += floatAt(dy, ldy, b);
    for (let b = first; b >= 0 && b < end; b = nextOf(links, b)) {
      if (b < begin) continue;
      const at = dx + (<usize>b * ldx << 2);
      const d = <f32>(sum * Math.exp(floatAt(x, ldx, b) - floatAt(y, ldy, b)));
      store<f32>(at, accumulate ? load<f32>(at) + d : d);
    }
  }
}

/**
 * Of rows of label 1: the mean of log(1 + e^(x_j - x)) over the rows j of the group of another label; 0 of others. How
 * many they are, to `counts`, of this process's rows alone.
 */
export function groupPairs(
  x: usize, ldx: i32, label: usize, ldt: i32, links: usize, counts: usize, y: usize, ldy: i32, rows: i32, part: usize,
): void {
  const begin = firstOwn(part),
    end = begin + shareEnd(rows, 4);
  for (let b = begin + shareBegin(rows, 4); b < end; b++) {
    let sum: f64 = 0, count = 0;
    if (floatAt(label, ldt, b) == 1) {
      const own = floatAt(x, ldx, b);
      for (let other = firstOf(links, b); other >= 0; other = nextOf(links, other)) {
        if (floatAt(label, ldt, other) == 1) continue;
        const difference = floatAt(x, ldx, other) - own;
        sum += max(difference, 0) + Math.log1p(Math.exp(-Math.abs(difference)));
        count++;
      }
    }
    store<f32>(counts + (<usize>(b - begin) << 2), <f32>count);
    store<f32>(y + (<usize>b * ldy << 2), count ? <f32>(sum / count) : 0);
  }
}

/**
 * dx (+)= what each pair of a row gives it: of the one of label 1, its share of dy with a minus; of the other, the same
 * with a plus. Here `counts` has those of all rows.
 */
export function groupPairsGradient(
  x: usize, ldx: i32, label: usize, ldt: i32, links: usize, counts: usize, dy: usize, ldy: i32, dx: usize,
  accumulate: i32, rows: i32, part: usize,
): void {
  const begin = firstOwn(part),
    end = begin + shareEnd(rows, 4);
  for (let b = begin + shareBegin(rows, 4); b < end; b++) {
    const isPositive = floatAt(label, ldt, b) == 1;
    const own = floatAt(x, ldx, b);
    let sum: f64 = 0;
    for (let other = firstOf(links, b); other >= 0; other = nextOf(links, other)) {
      if ((floatAt(label, ldt, other) == 1) == isPositive) continue;
      const positive = isPositive ? b : other;
      const share = floatAt(dy, ldy, positive) / floatAt(counts, 1, positive);
      const difference = isPositive ? floatAt(x, ldx, other) - own : own - floatAt(x, ldx, other);
      sum += share / (1 + Math.exp(-difference));
    }
    const at = dx + (<usize>b * ldx << 2);
    const d = <f32>(isPositive ? -sum : sum);
    store<f32>(at, accumulate ? load<f32>(at) + d : d);
  }
}

/** y (+)= the rows of x that are this process's; shared among workers. */
export function ownRows(x: usize, y: usize, ldy: i32, rows: i32, part: usize, accumulate: i32): void {
  const begin = firstOwn(part), end = shareEnd(rows, 4);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const at = y + (<usize>b * ldy << 2), own = load<f32>(x + (<usize>(begin + b) << 2));
    store<f32>(at, accumulate ? load<f32>(at) + own : own);
  }
}
