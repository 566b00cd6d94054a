import type { OwnKernel } from '../kernel.js';
import { bySegment, overItems } from './segments.js';

// Searches in the items of each row, as in kernels/search.c: row `b` has the items from `first` to `stop`, of which
// some are selected. One thread does a row, or a column `n` of it.

/** Declares the key of an item's score: larger for a larger one, equal for 0 and -0, and 0 for NaN. */
const KEY = `
  let number = m[$x + item * $ldx];
  let word = select(number, 0u, number == 0x80000000u);
  let ordered = select(word | 0x80000000u, ~word, (word >> 31u) == 1u);
  let key = select(ordered, 0u, isNan(bitcast<f32>(word)));`;

/** Runs a body for each selected item `own` of a row, `item` being its index among all items. */
const overSelected = (body: string): string => `
  for (var own = m[$selected + b]; own < m[$selected + b + 1u]; own++) {
    let item = stop - 1u - u32($p[own]);
    ${body}
  }`;

/** Kernels that score items for the candidate, select some, and copy those. */
export const SEARCH_KERNELS = {
  hashMatches: bySegment(
    'y',
    undefined,
    overItems(`
      var matches = 0.0;
      for (var bit = 0u; bit < $bits; bit++) {
        var found = 0.0; var wanted = 0.0;
        for (var c = 0u; c < $width; c++) {
          let projection = f($p + c * $bits + bit);
          found += $x[item, c] * projection;
          wanted += $q[b, c] * projection;
        }
        matches += select(0.0, 1.0, (found < 0.0) == (wanted < 0.0));
      }
      put(&$y[item, n], matches);`),
  ),

  // The smallest key of the selected items is found bit by bit.
  selectTop: bySegment(
    'y',
    undefined,
    `
    let count = m[$selected + b + 1u] - m[$selected + b];
    var least = 0u; var equals = count;
    if (count < stop - first) {
      for (var bit = 0x80000000u; bit != 0u; bit = bit >> 1u) {
        var larger = 0u;
        ${overItems(`${KEY} larger += select(0u, 1u, key >= (least | bit));`)}
        if (larger >= count) { least = least | bit; }
      }
      ${overItems(`${KEY} equals -= select(0u, 1u, key > least);`)}
    }
    var own = m[$selected + b + 1u];
    for (var later = n; later < stop - first; later++) {
      let item = stop - 1u - later;
      ${KEY}
      if (key < least || (key == least && equals == 0u)) { continue; }
      equals -= select(0u, 1u, key == least);
      own -= 1u;
      put(&$y[own], f32(later));
    }`,
  ),

  gatherItems: bySegment('y', 'width', overSelected('put(&$y[own, n], $x[item, n]);')),

  scatterItems: bySegment(
    'y',
    'width',
    `
    if ($accumulate == 0u) { ${overItems('put(&$y[item, n], 0.0);')} }
    ${overSelected('add(&$y[item, n], $x[own, n], 1u);')}`,
  ),
} as const satisfies Readonly<Record<string, OwnKernel>>;
