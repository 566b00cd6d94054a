/**
 * Selects the items of a row with the largest weights, in their order; the first among equals.
 * @param begin first item of the row in `weights`
 * @param end end of its items, exclusive
 * @param most maximum number of items
 * @param take receives the index of each
 */
export function takeTopK(
  weights: ArrayLike<number>,
  begin: number,
  end: number,
  most: number,
  take: (place: number) => void,
): void {
  if (end - begin <= most) {
    for (let i = begin; i < end; i++) take(i);
    return;
  }
  const least = Array.from({ length: end - begin }, (_, i) => weights[begin + i]!).sort((a, b) => b - a)[most - 1]!;
  let equals = most;
  for (let i = begin; i < end; i++) if (weights[i]! > least) equals--;
  for (let i = begin; i < end; i++) {
    if (weights[i]! > least || (weights[i] === least && equals-- > 0)) take(i);
  }
}
