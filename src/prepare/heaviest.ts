/**
 * Puts the heaviest `keep` of the first `count` values to the front, from heavy to light; of equal weights the smaller id
 * comes first. A heap of the kept ones with the lightest on top: count × log keep steps.
 * @returns how many are kept
 */
export function keepHeaviest(ids: Float64Array, weights: Float32Array, count: number, keep: number): number {
  const size = Math.min(count, keep);
  if (count <= SHORT) {
    insertionSort(ids, weights, count);
    return size;
  }
  for (let i = (size >> 1) - 1; i >= 0; i--) sink(ids, weights, i, size);
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

/** Up to so many values, a plain sort is faster. */
const SHORT = 16;

function insertionSort(ids: Float64Array, weights: Float32Array, count: number): void {
  for (let i = 1; i < count; i++) {
    for (let j = i; j > 0 && isLighter(ids, weights, j - 1, j); j--) swap(ids, weights, j - 1, j);
  }
}

function sink(ids: Float64Array, weights: Float32Array, from: number, size: number): void {
  for (let i = from; ; ) {
    let lightest = 2 * i + 1;
    if (lightest >= size) return;
    if (lightest + 1 < size && isLighter(ids, weights, lightest + 1, lightest)) lightest++;
    if (!isLighter(ids, weights, lightest, i)) return;
    swap(ids, weights, lightest, i);
    i = lightest;
  }
}

function isLighter(ids: Float64Array, weights: Float32Array, i: number, j: number): boolean {
  const [a, b] = [weights[i]!, weights[j]!];
  return a < b || (a === b && ids[i]! > ids[j]!);
}

function swap(ids: Float64Array, weights: Float32Array, i: number, j: number): void {
  const id = ids[i]!;
  const weight = weights[i]!;
  ids[i] = ids[j]!;
  weights[i] = weights[j]!;
  ids[j] = id;
  weights[j] = weight;
}
