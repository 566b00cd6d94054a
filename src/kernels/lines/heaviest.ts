/** Up to so many that stay, they are kept sorted while the others come. */
const SHORT: u32 = 16;

/**
 * Puts the heaviest `keep` of the first `count` values to the front, from heavy to light; of equal weights the smaller
 * id comes first. Many
 * are kept in a heap with the lightest on top: count × log keep steps.
 * @returns how many are kept
 */
export function keepHeaviest(ids: usize, weights: usize, count: u32, keep: u32): u32 {
  const size = min(count, keep);
  if (size <= SHORT) {
    for (let i: u32 = 1; i < count; i++) insert(ids, weights, i, size);
    return size;
  }
  for (let i = size >> 1; i > 0; i--) sink(ids, weights, i - 1, size);
  for (let i = size; i < count; i++) {
    if (!isLighter(ids, weights, 0, i)) continue;
    swap(ids, weights, 0, i);
    sink(ids, weights, 0, size);
  }
  for (let end = size - 1; end > 0; end--) {
    swap(ids, weights, 0, end);
    sink(ids, weights, 0, end);
  }
  return size;
}

/**
 * Puts value i where it belongs among those before it, of which `size` at the most are sorted; the lightest of these
 * goes.
 */
// @ts-ignore: decorator
@inline
function insert(ids: usize, weights: usize, i: u32, size: u32): void {
  const id = load<u64>(ids + 8 * <usize>i);
  const weight = load<f32>(weights + 4 * <usize>i);
  let at = i;
  if (i >= size) {
    if (!isBelow(ids, weights, size - 1, id, weight)) return;
    at = size - 1;
  }
  for (; at > 0 && isBelow(ids, weights, at - 1, id, weight); at--) {
    store<u64>(ids + 8 * <usize>at, load<u64>(ids + 8 * <usize>(at - 1)));
    store<f32>(weights + 4 * <usize>at, load<f32>(weights + 4 * <usize>(at - 1)));
  }
  store<u64>(ids + 8 * <usize>at, id);
  store<f32>(weights + 4 * <usize>at, weight);
}

/** Whether value i is lighter than another. */
// @ts-ignore: decorator
@inline
function isBelow(ids: usize, weights: usize, i: u32, id: u64, weight: f32): bool {
  const own = load<f32>(weights + 4 * <usize>i);
  return own < weight || (own == weight && load<u64>(ids + 8 * <usize>i) > id);
}

function sink(ids: usize, weights: usize, from: u32, size: u32): void {
  for (let i = from; ; ) {
    let lightest: u32 = 2 * i + 1;
    if (lightest >= size) return;
    if (lightest + 1 < size && isLighter(ids, weights, lightest + 1, lightest)) lightest++;
    if (!isLighter(ids, weights, lightest, i)) return;
    swap(ids, weights, lightest, i);
    i = lightest;
  }
}

// @ts-ignore: decorator
@inline
function isLighter(ids: usize, weights: usize, i: u32, j: u32): bool {
  return isBelow(ids, weights, i, load<u64>(ids + 8 * <usize>j), load<f32>(weights + 4 * <usize>j));
}

// @ts-ignore: decorator
@inline
function swap(ids: usize, weights: usize, i: u32, j: u32): void {
  const id = load<u64>(ids + 8 * <usize>i);
  const weight = load<f32>(weights + 4 * <usize>i);
  store<u64>(ids + 8 * <usize>i, load<u64>(ids + 8 * <usize>j));
  store<f32>(weights + 4 * <usize>i, load<f32>(weights + 4 * <usize>j));
  store<u64>(ids + 8 * <usize>j, id);
  store<f32>(weights + 4 * <usize>j, weight);
}
