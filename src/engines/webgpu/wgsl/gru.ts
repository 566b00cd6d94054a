import type { OwnKernel } from '../kernel.js';
import { THREADS } from './prelude.js';

// A gated recurrent unit over the items of each row, as in kernels/gru.c. One thread computes a row, item by item.

const tanhOf = (x: string): string => `(2.0 * sigmoid(2.0 * (${x})) - 1.0)`;

/** Returns a kernel with one thread per row of the batch. */
const byRow = (writes: readonly string[], body: string): OwnKernel => ({
  form: 'own',
  writes,
  threads: ({ rows }) => rows,
  body: `
  for (var b = group * ${THREADS}u + lane; b < $rows; b += groups * ${THREADS}u) {
    let first = m[$offsets + b]; let stop = m[$offsets + b + 1u];
    ${body}
  }`,
});

/** Returns a loop over the columns of a state. */
const overColumns = (body: string): string => `for (var n = 0u; n < $width; n++) { ${body} }`;

/** The attention of an item: 1 without any. */
const ATTENTION = 'let attention = valueAt($attention, item * $ldattention);';

/** Kernels of the recurrent unit. */
export const GRU_KERNELS = {
  segmentGru: byRow(
    ['y', 'before', 'gates'],
    `
    for (var item = first; item < stop; item++) {
      let h = $before + item * $width; let x = $x + item * $ldx;
      ${ATTENTION}
      if (item == first) { ${overColumns('put(h + n, 0.0);')} }
      ${overColumns(`
        var sums = vec3<f32>();
        for (var k = 0u; k < $width; k++) {
          let w = $weights + ((n >> 3u) * $width + k) * 8u + (n & 7u);
          let gap = $width * $width;
          sums += f(h + k) * vec3<f32>(f(w), f(w + gap), f(w + 2u * gap));
        }
        sums += vec3<f32>(f($bias + n), f($bias + $width + n), f($bias + 2u * $width + n));
        let reset = sigmoid(f(x + n) + sums.x);
        let update = sigmoid(-(f(x + $width + n) + sums.y));
        let candidate = ${tanhOf('f(x + 2u * $width + n) + reset * sums.z')};
        let next = f(h + n) + attention * update * (candidate - f(h + n));
        put(&$y[item, n], next);
        if (item + 1u < stop) { put(h + $width + n, next); }
        if ($gates != NONE) {
          let stored = $gates + item * 4u * $width + n;
          put(stored, reset);
          put(stored + $width, update);
          put(stored + 2u * $width, candidate);
          put(stored + 3u * $width, sums.z);
        }`)}
    }`,
  ),

  segmentGruGradient: byRow(
    ['dx', 'dattention', 'dy', 'dgates'],
    `
    for (var item = stop; item > first;) {
      item--;
      let own = $gates + item * 4u * $width; let h = $before + item * $width;
      let to = $dgates + item * 3u * $width; let x = $dx + item * $ldx; let dy = $dy + item * $ldy;
      ${ATTENTION}
      var dot = 0.0;
      ${overColumns(`
        let reset = f(own + n); let update = f(own + $width + n); let candidate = f(own + 2u * $width + n);
        let d = f(dy + n); let share = attention * update; let dshare = d * (candidate - f(h + n));
        let dcandidate = d * share * (1.0 - candidate * candidate);
        let dreset = dcandidate * f(own + 3u * $width + n) * reset * (1.0 - reset);
        let dupdate = -attention * dshare * update * (1.0 - update);
        dot += dshare * update;
        put(to + n, dreset);
        put(to + $width + n, dupdate);
        put(to + 2u * $width + n, dcandidate * reset);
        add(x + n, dreset, $accumulate & 1u);
        add(x + $width + n, dupdate, $accumulate & 1u);
        add(x + 2u * $width + n, dcandidate, $accumulate & 1u);
        if (item > first) { add(dy - $ldy + n, d - d * share, 1u); }`)}
      if ($dattention != NONE) { add(&$dattention[item], dot, $accumulate & 2u); }
      if (item > first) {
        ${overColumns(`
        var sum = 0.0;
        for (var k = 0u; k < 3u * $width; k++) {
          sum += f(to + k) * f($transposed + ((n >> 3u) * 3u * $width + k) * 8u + (n & 7u));
        }
        add(dy - $ldy + n, sum, 1u);`)}
      }
    }`,
  ),
} as const satisfies Readonly<Record<string, OwnKernel>>;
