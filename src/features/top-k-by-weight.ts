/**
 * Takes the items of a row with the largest weights, in their order; among equals the first.
 * @param begin of the row's items in `weights`
 * @param end behind its last item
 * @param most items that are taken
 * @param take told of the place of each
 */
export function takeTopK(
  weights: readonly number[] | Float32Array,
  begin: number,
  end: number,
  most: number,
  take: (place: number) => void,
): void {
  if (end - begin <= most) {
    for (let i = begin; i < end; i++) take(i);
    return;
  }
  const least = [...weights.slice(begin, end)].sort((a, b) => b - a)[most - 1]!;
  let equals = most;
  for (let i = begin; i < end; i++) if (weights[i]! > least) equals--;
  for (let i = begin; i < end; i++) {
    if (weights[i]! > least || (weights[i] === least && equals-- > 0)) take(i);
  }
}
