// Gradients of kernels, each broken once: a term that is missing, a wrong sign, or a remainder that is skipped.

/**
 * @typedef {object} Mutation
 * @property {string} kernel what is broken
 * @property {string} mutation how
 * @property {string} file below the root
 * @property {string} search text that is in the file once
 * @property {string} replacement of that text
 */

/** @type {readonly Mutation[]} */
export const MUTATIONS = [
  {
    kernel: 'layerNormGradient',
    mutation: 'missing term',
    file: 'src/kernels/maps.ts',
    search: '(d - mean - load<f32>(hat + n) * slope) * inverse',
    replacement: '(d - mean) * inverse',
  },
  {
    kernel: 'columnProducts (gain of layerNorm)',
    mutation: 'wrong sign',
    file: 'src/kernels/maps.ts',
    search: 's = f32x4.add(s, f32x4.mul(v128.load(from), v128.load(other)))',
    replacement: 's = f32x4.sub(s, f32x4.mul(v128.load(from), v128.load(other)))',
  },
  {
    kernel: 'reciprocalGradient',
    mutation: 'wrong sign',
    file: 'src/kernels/maps.ts',
    search: '-load<f32>(dyRow + n) * v * v',
    replacement: 'load<f32>(dyRow + n) * v * v',
  },
  {
    kernel: 'productLogitGradient',
    mutation: 'missing term',
    file: 'src/kernels/maps.ts',
    search: 'const own = Math.exp(u - largest) + Math.exp(u + v - largest);',
    replacement: 'const own = Math.exp(u - largest);',
  },
  {
    kernel: 'crossEntropyGradient',
    mutation: 'missing term',
    file: 'src/kernels/maps.ts',
    search: '(1 / (1 + Math.exp(-<f64>load<f32>(from + n))) - load<f32>(label + n))',
    replacement: '(1 / (1 + Math.exp(-<f64>load<f32>(from + n))))',
  },
  {
    kernel: 'softmaxGradient',
    mutation: 'missing term',
    file: 'src/kernels/elementwise.ts',
    search: '(load<f32>(dyRow + n) - dot)',
    replacement: 'load<f32>(dyRow + n)',
  },
  {
    kernel: 'activateGradient (swish)',
    mutation: 'missing term',
    file: 'src/kernels/elementwise.ts',
    search: 'return f32x4.add(p, f32x4.mul(y, f32x4.sub(f32x4.splat(1), p)));',
    replacement: 'return p;',
  },
  {
    kernel: 'diceGradient',
    mutation: 'wrong sign',
    file: 'src/kernels/elementwise.ts',
    search: 'f32x4.sub(one, s)), f32x4.mul(p, q)',
    replacement: 'f32x4.add(one, s)), f32x4.mul(p, q)',
  },
  {
    kernel: 'preluSlope',
    mutation: 'wrong sign',
    file: 'src/kernels/norm.c',
    search: 'sum += (double)product[v]',
    replacement: 'sum -= (double)product[v]',
  },
  {
    kernel: 'normalizeGradient (batch norm)',
    mutation: 'missing term',
    file: 'src/kernels/norm.c',
    search: '(at(d_row, left, v) - shift[v] - hat * share[v])',
    replacement: '(at(d_row, left, v) - shift[v])',
  },
  {
    kernel: 'gemmGradient',
    mutation: 'skipped remainder',
    file: 'src/kernels/gemm.ts',
    search: 'for (; i < end; i++) {',
    replacement: 'for (; i + 4 <= end; i++) {',
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
    mutation: 'skipped remainder',
    file: 'src/kernels/tables.ts',
    search: 'for (; from < stop; from += 4, to += 4) {\n        const x = load<f32>(to) + load<f32>(from);',
    replacement: 'for (; from + 16 <= stop; from += 4, to += 4) {\n        const x = load<f32>(to) + load<f32>(from);',
  },
  {
    kernel: 'gatherBagGradients',
    mutation: 'missing factor',
    file: 'src/kernels/bags.ts',
    search: 'const x = load<f32>(to + i) + factor * load<f32>(from + i);',
    replacement: 'const x = load<f32>(to + i) + load<f32>(from + i);',
  },
  {
    kernel: 'squaredError',
    mutation: 'missing factor',
    file: 'src/kernels/losses.ts',
    search: '2 * factor * share * distance',
    replacement: 'factor * share * distance',
  },
  {
    kernel: 'groupPairsGradient',
    mutation: 'wrong sign',
    file: 'src/kernels/groups.c',
    search: 'is_positive ? -sum : sum',
    replacement: 'sum',
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
    file: 'src/kernels/optimizers/adam.ts',
    search: 'for (; i < end; i += 4) {',
    replacement: 'for (; i + 16 <= end; i += 4) {',
  },
  {
    kernel: 'native gemm_gradient',
    mutation: 'skipped remainder',
    file: 'src/kernels/native/products.c',
    search: 'for (size_t i = begin, height; i < end; i += height) {',
    replacement: 'for (size_t i = begin, height; i + 4 <= end; i += height) {',
  },
  {
    kernel: 'native normalize_gradient',
    mutation: 'missing term',
    file: 'src/kernels/native/norm.c',
    search: 'at(d_row, left, v) - shift[v] - hat * share[v]',
    replacement: 'at(d_row, left, v) - shift[v]',
  },
  {
    kernel: 'native normalize, normalize_gradient',
    mutation: 'skipped remainder',
    file: 'src/kernels/native/norm.c',
    search: 'if (from < end) each(n, from, end - from, 1);',
    replacement: '',
  },
  {
    kernel: 'native gather',
    mutation: 'wrong sign',
    file: 'src/kernels/native/rows.c',
    search: 'unless_new(load_some(to + i, (width) - i), news[r], -0.0f) + load_some',
    replacement: 'unless_new(load_some(to + i, (width) - i), news[r], -0.0f) - load_some',
  },
  {
    kernel: 'native gather_bags',
    mutation: 'skipped remainder',
    file: 'src/kernels/native/rows.c',
    search: 'for (size_t i = FUSED(width); i < (width); i++) { \\\n        to[i] = (is_new',
    replacement: 'for (size_t i = FUSED(width); i + 4 <= (width); i++) { \\\n        to[i] = (is_new',
  },
  {
    kernel: 'native adam_rows',
    mutation: 'wrong sign',
    file: 'src/kernels/native/rule-adam.h',
    search: 'weight * kept - splat(own[3])',
    replacement: 'weight * kept + splat(own[3])',
  },
];

/** The file with the mutation. */
export function mutated(text, { kernel, mutation, file, search, replacement }) {
  const count = text.split(search).length - 1;
  if (count !== 1)
    throw new Error(`${kernel}, ${mutation}: found the text ${count} times in ${file}, expected once: ${search}`);
  return text.replace(search, () => replacement);
}
