// Gradients of kernels, each broken once: a term that is missing, a wrong sign, or a remainder that is skipped.

/**
 * @typedef {object} Mutation
 * @property {string} kernel what is broken
 * @property {string} mutation how
 * @property {string} file below the root
 * @property {string} search text that is in the file once
 * @property {string} replacement of that text
 * @property {boolean} [isNative] whether WebAssembly kernels remain correct
 */

/** @type {readonly Mutation[]} */
export const MUTATIONS = [
  {
    kernel: 'layerNormGradient',
    mutation: 'missing term',
    file: 'src/kernels/maps.c',
    search: '(d - mean - NUMBER(z, ldy) * slope) * inverses[row]',
    replacement: '(d - mean - 0 * slope) * inverses[row]',
  },
  {
    kernel: 'columnProducts (gain of layerNorm)',
    mutation: 'wrong sign',
    file: 'src/kernels/maps.c',
    search: 'FOUR(a, ld) * FOUR(c, ld)',
    replacement: '-FOUR(a, ld) * FOUR(c, ld)',
  },
  {
    kernel: 'reciprocalGradient',
    mutation: 'wrong sign',
    file: 'src/kernels/maps.c',
    search: '-NUMBER(dy, ldy) * v * v',
    replacement: 'NUMBER(dy, ldy) * v * v',
  },
  {
    kernel: 'productLogitGradient',
    mutation: 'missing term',
    file: 'src/kernels/maps.c',
    search: 'own = o.left + o.both;',
    replacement: 'own = o.left;',
  },
  {
    kernel: 'crossEntropyGradient',
    mutation: 'missing term',
    file: 'src/kernels/maps.c',
    search: 'sigmoid_double(NUMBER(x, ldx)) - (double)NUMBER(t, ldt);',
    replacement: 'sigmoid_double(NUMBER(x, ldx)) - 0 * (double)NUMBER(t, ldt);',
  },
  {
    kernel: 'softmaxGradient',
    mutation: 'missing term',
    file: 'src/kernels/elementwise.c',
    search: '(NUMBER(dy, ldy) - dot)',
    replacement: '(NUMBER(dy, ldy) - 0 * dot)',
  },
  {
    kernel: 'activateGradient (sigmoid, tanh, swish)',
    mutation: 'wrong sign',
    file: 'bin/scalar-functions.js',
    search: 'subtract: DOUBLE.subtract,',
    replacement: 'subtract: DOUBLE.add,',
  },
  {
    kernel: 'diceGradient',
    mutation: 'wrong sign',
    file: 'src/kernels/elementwise.c',
    search: '(splat(1) - s) * (p * q)',
    replacement: '(splat(1) + s) * (p * q)',
  },
  {
    kernel: 'preluSlope',
    mutation: 'wrong sign',
    file: 'src/kernels/elementwise.c',
    search: 'add_fours(sum, d *',
    replacement: 'add_fours(sum, -d *',
  },
  {
    kernel: 'normalizeGradient (batch norm)',
    mutation: 'missing term',
    file: 'src/kernels/norm.c',
    search: 'mean_d[v] - x * inverse[v] * share[v])',
    replacement: 'mean_d[v] - splat(0) * x * inverse[v] * share[v])',
  },
  {
    kernel: 'normalize, normalizeGradient',
    mutation: 'skipped remainder',
    file: 'src/kernels/norm.c',
    search: 'if (LANES > 4 && from < end) do_columns',
    replacement: 'if (LANES > 16 && from < end) do_columns',
    isNative: true,
  },
  {
    kernel: 'gemmGradient',
    mutation: 'skipped remainder',
    file: 'src/kernels/products.h',
    search: 'for (size_t i = from, height; i < to; i += height) {',
    replacement: 'for (size_t i = from, height; i + 4 <= to; i += height) {',
  },
  {
    kernel: 'columnSums (bias)',
    mutation: 'skipped remainder',
    file: 'src/kernels/sums.c',
    search: 'sum += load_columns(at, left);',
    replacement: 'sum += b < (rows & ~1) ? load_columns(at, left) : splat(0);',
  },
  {
    kernel: 'gatherGradients',
    mutation: 'wrong sign',
    file: 'src/kernels/tables.c',
    search: 'load_some(to + i, left) + load_some(from + i, left)',
    replacement: 'load_some(to + i, left) - load_some(from + i, left)',
  },
  {
    kernel: 'gatherGradients',
    mutation: 'skipped remainder',
    file: 'src/kernels/tables.c',
    search: 'width, const vector x = load_some(to + i, left)',
    replacement: '(width) / LANES * LANES, const vector x = load_some(to + i, left)',
  },
  {
    kernel: 'gatherBagGradients',
    mutation: 'missing factor',
    file: 'src/kernels/bags.c',
    search: 'to[i] = (is_new ? 0 : to[i]) + factor * from[i];',
    replacement: 'to[i] = (is_new ? 0 : to[i]) + from[i];',
  },
  {
    kernel: 'gatherBagGradients',
    mutation: 'skipped remainder',
    file: 'src/kernels/bags.c',
    search: 'for (size_t i = FUSED(width); i < width; i++) {',
    replacement: 'for (size_t i = FUSED(width); i + 4 <= width; i++) {',
  },
  {
    kernel: 'normalizeGradient (fused activation)',
    mutation: 'missing term',
    file: 'src/kernels/norm.c',
    search: 'x * scale[v] + shift[v], at(d_row',
    replacement: 'x * scale[v], at(d_row',
  },
  {
    kernel: 'addGradients',
    mutation: 'skipped remainder',
    file: 'src/kernels/tables.c',
    search: 'for (size_t i = 0; i < found; i++) {',
    replacement: 'for (size_t i = 0; i < (found & ~(size_t)1); i++) {',
  },
  {
    kernel: 'segmentDots',
    mutation: 'missing term',
    file: 'src/kernels/segments.c',
    search: '*to = accumulate ? *to + sum_of_four(sum) : sum_of_four(sum);',
    replacement: '*to = accumulate ? *to + sum[0] : sum[0];',
  },
  {
    kernel: 'segmentAttentionGradient',
    mutation: 'missing term',
    file: 'src/kernels/attention.c',
    search: '(load_some(to + n, left) - splat(own[1]))',
    replacement: 'load_some(to + n, left)',
  },
  {
    kernel: 'segmentAttentionGradient (pointwise)',
    mutation: 'missing term',
    file: 'src/kernels/attention.c',
    search: 'slope = gate * (splat(1) + s * (splat(1) - gate));',
    replacement: 'slope = gate;',
  },
  {
    kernel: 'segmentGruGradient',
    mutation: 'missing factor',
    file: 'src/kernels/gru.c',
    search: 'store_some(of.dgates + CANDIDATE * size + n, left, dcandidate * reset);',
    replacement: 'store_some(of.dgates + CANDIDATE * size + n, left, dcandidate);',
  },
  {
    kernel: 'squaredError',
    mutation: 'missing factor',
    file: 'src/kernels/losses.c',
    search: '2 * factor * share * (x - y)',
    replacement: 'factor * share * (x - y)',
  },
  {
    kernel: 'groupPairsGradient',
    mutation: 'wrong sign',
    file: 'src/kernels/groups.c',
    search: '(float)-numbers[item]',
    replacement: '(float)numbers[item]',
  },
  {
    kernel: 'combine (weightings)',
    mutation: 'missing term',
    file: 'src/kernels/reduce.c',
    search: 'for (int32_t area = 0;',
    replacement: 'for (int32_t area = 1;',
  },
  {
    kernel: 'adamDense, adamTable',
    mutation: 'skipped remainder',
    file: 'src/kernels/rule-adam.h',
    search: 'ROW_BY_COLUMNS(adam)',
    replacement:
      'INLINE void adam_row(float *w, float *s, size_t gap, const float *g, size_t count, const float *c) {\n  EACH_COLUMNS(count / LANES * LANES, adam_columns(w + i, s + i, gap, g ? g + i : g, left, c);)\n}',
  },
  {
    kernel: 'adamDense, adamTable',
    mutation: 'wrong sign',
    file: 'src/kernels/rule-adam.h',
    search: '(splat(1) - splat(own[6])) - step',
    replacement: '(splat(1) - splat(own[6])) + step',
  },
];

/** The file with the mutation. */
export function mutated(text, { kernel, mutation, file, search, replacement }) {
  const count = text.split(search).length - 1;
  if (count !== 1)
    throw new Error(`${kernel}, ${mutation}: found the text ${count} times in ${file}, expected once: ${search}`);
  return text.replace(search, () => replacement);
}
