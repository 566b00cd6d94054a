import {
  computeSlope,
  SCALAR_ACTIVATIONS,
  SCALAR_FUNCTIONS,
  type Arithmetic,
  type ScalarFunction,
} from '../../../graph/scalar-functions.js';
import { argumentNames, type KernelName } from '../../compile/kernel-arguments.js';
import type { RowKernel } from '../kernel.js';

type Element = readonly [written: string, value: string, before?: string];

const columns = (over: string, writes: readonly string[], body: string): RowKernel => ({
  form: 'rows',
  over,
  writes,
  body,
});
const rows = (writes: readonly string[], body: string): RowKernel => ({ form: 'rows', over: 'row', writes, body });

const WGSL: Arithmetic<string> = {
  number: (value) => (Number.isInteger(value) ? value.toFixed(1) : String(value)),
  add: (a, b) => `(${a} + ${b})`,
  subtract: (a, b) => `(${a} - ${b})`,
  multiply: (a, b) => `(${a} * ${b})`,
  multiplyAdd: (a, b, c) => `(${a} * ${b} + ${c})`,
  reciprocal: (x) => `select(1.0 / ${x}, infinity(), ${x} == 0.0)`,
  step: (x, below) => `select(${WGSL.number(below)}, 1.0, ${x} > 0.0)`,
  positive: (x) => `positive(${x})`,
  exp: (x) => `select(expOf(${x}), infinity(), ${x} > 88.72283)`,
  expm1: (x) => `select(expm1Of(${x}), infinity(), ${x} > 88.72283)`,
  log: (x) => `logOf(${x})`,
  log1p: (x) => `log1pOf(${x})`,
  softplus: (x) => `softplus(${x})`,
  sign: (x) => `sign(${x})`,
  sin2Pi: (x) => `sinTurns(${x}, 0)`,
  cos2Pi: (x) => `sinTurns(${x}, 1)`,
  sigmoid: (x) => `sigmoid(${x})`,
  tanh: (x) => `(2.0 * sigmoid(2.0 * ${x}) - 1.0)`,
  distribution: (x) => `distribution(${x})`,
  density: (x) => `density(${x})`,
};

type Table = Readonly<Record<string, ScalarFunction>>;
const valuesOf = (table: Table): string[] => Object.values(table).map(({ value }) => value(WGSL, 'x'));
const slopesOf = (table: Table): string[] => Object.values(table).map((each) => computeSlope(each, WGSL, 'x', 'y'));

/** Writes a shader function that computes the formula with the code `kind`. */
function choose(signature: string, formulas: readonly string[]): string {
  const cases = formulas.map((formula, code) => `case ${code}u: { return ${formula}; }`);
  return `fn ${signature} -> f32 { switch (kind) { ${cases.join(' ')} default: { return x; } } }`;
}

/** Functions by code, as in kernels/scalar-functions.h, which the bodies below call. */
export const MAP_FUNCTIONS = `
/** sin 2πx after some quarter turns, as in kernels/math.h: WGSL's sin may be inaccurate. */
fn sinTurns(x: f32, quarters: i32) -> f32 {
  if (!(abs(x) < infinity())) { return bitcast<f32>(calls[0].z); }
  let part = select(x, 0.0, abs(x) >= 16777216.0);
  let n = round(4.0 * part);
  let y = 6.28318531 * (part - 0.25 * n);
  let z = y * y;
  let sine = y * (1.0 + z * (-0.166666667 + z * (8.33333333e-3 + z * (-1.98412698e-4 + z * 2.75573192e-6))));
  let cosine = 1.0 + z * (-0.5 + z * (0.0416666667 + z * (-1.38888889e-3 + z * (2.48015873e-5 - z * 2.75573192e-7))));
  let quadrant = i32(n) + quarters;
  let value = select(sine, cosine, (quadrant & 1) != 0);
  return select(value, -value, (quadrant & 2) != 0);
}
fn density(x: f32) -> f32 { return 0.39894228 * expOf(-0.5 * x * x); }
/** By the error function to 1.5e-7 (Abramowitz & Stegun 1964, 7.1.26). */
fn distribution(x: f32) -> f32 {
  let z = abs(x) * 0.70710678;
  let u = 1.0 / (1.0 + 0.3275911 * z);
  let p = u * (0.254829592 + u * (-0.284496736 + u * (1.421413741 + u * (-1.453152027 + u * 1.061405429))));
  let rest = 0.5 * p * expOf(-z * z);
  return select(1.0 - rest, rest, x < 0.0);
}
${choose('mapped(kind: u32, x: f32)', valuesOf(SCALAR_FUNCTIONS))}
${choose('slopeOf(kind: u32, x: f32)', slopesOf(SCALAR_FUNCTIONS))}
${choose('activated(kind: u32, x: f32)', valuesOf(SCALAR_ACTIVATIONS))}
${choose('activatedSlope(kind: u32, x: f32, y: f32)', slopesOf(SCALAR_ACTIVATIONS))}
`;

/**
 * Kernels that compute one element: what they write, and its value, with declarations before it. The signature of a
 * kernel decides whether the element is added, and which columns there are.
 */
const ELEMENTS = {
  activate: ['y', 'activated($kind, $x[row, col])'],
  activateGradient: ['dx', '$dy[row, col] * activatedSlope($kind, $x[row, col], $y[row, col])'],
  affine: ['y', '$factor * $x[row, col] + $offset'],
  clip: ['y', 'select(select(v, $low, v < $low), $high, v > $high)', 'let v = $x[row, col];'],
  clipGradient: ['dx', 'select(0.0, $dy[row, col], v >= $low && v <= $high)', 'let v = $x[row, col];'],
  copyColumns: ['y', '$x[row, col]'],
  crossEntropy: ['y', 'softplus(v) - $t[row, col] * v', 'let v = $x[row, col];'],
  crossEntropyGradient: ['dx', '$dy[row, col] * (sigmoid($x[row, col]) - $t[row, col])'],
  dice: ['y', '$x[row, col] * (p + (1.0 - p) * f($slope + col))', 'let p = sigmoid($z[row, col]);'],
  dropout: [
    'y',
    'select($x[row, col] * $keep, 0.0, h < $threshold)',
    `
    var h = m[$key] + (row * $width + col) * 0x9e3779b1u;
    h = (h ^ (h >> 16u)) * 0x7feb352du;
    h = (h ^ (h >> 15u)) * 0x846ca68bu;
    h ^= h >> 16u;`,
  ],
  mapNumbers: ['y', 'mapped($kind, $x[row, col])'],
  mapNumbersGradient: ['dx', '$dy[row, col] * slopeOf($kind, $x[row, col])'],
  multiply: ['y', '$a[row, col] * $b[row, col]'],
  normalizeRunning: [
    'y',
    'activated($activation, ($x[row, col] - f($running + col)) * scale + f($shift + col))',
    'let scale = f($gain + col) / sqrt(f($running + $columns + col) + $epsilon);',
  ],
  prelu: ['y', 'select(f($slope) * v, v, v > 0.0)', 'let v = $x[row, col];'],
  productLogit: [
    'y',
    '-(largest + logOf(expOf(u - largest) + expOf(v - largest) + expOf(u + v - largest)))',
    'let u = -$a[row, col]; let v = -$c[row, col]; let largest = max(max(u, v), u + v);',
  ],
  productLogitGradient: [
    'da',
    '$dy[row, col] * (own / (own + expOf(v - largest)))',
    `let u = -$a[row, col]; let v = -$c[row, col]; let largest = max(max(u, v), u + v);
    let own = expOf(u - largest) + expOf(u + v - largest);`,
  ],
  reciprocal: ['y', WGSL.reciprocal('v'), 'let v = $x[row, col];'],
  reciprocalGradient: ['dx', '-$dy[row, col] * v * v', 'let v = $y[row, col];'],
  scaleRows: ['y', '$scale * $g[row] * $x[row, col]'],
} as const satisfies Partial<Record<KernelName, Element>>;

/** Returns the kernel of an element from what it writes, its value, and declarations. */
function elementKernel(name: KernelName, [written, value, before = '']: Element): RowKernel {
  const names = argumentNames(name);
  const [store, end] = names.includes('accumulate') ? ['add', ', $accumulate'] : ['put', ''];
  const over = names.includes('width') ? 'width' : 'columns';
  return columns(over, [written], `${before} ${store}(&$${written}[row, col], ${value}${end});`);
}

/** Kernels of one element, or of one row. */
export const MAP_KERNELS = {
  ...(Object.fromEntries(
    Object.entries<Element>(ELEMENTS).map(([name, element]) => [name, elementKernel(name as KernelName, element)]),
  ) as Record<keyof typeof ELEMENTS, RowKernel>),
  clear: columns('columns', ['y'], 'm[&$y[row, col]] = 0u;'),
  diceGradient: columns(
    'columns',
    ['dx', 'dz'],
    `
    let p = sigmoid($z[row, col]); let q = 1.0 - p;
    let s = f($slope + col); let d = $dy[row, col]; let i = row * $ldx + col;
    add($dx + i, d * (p + q * s), $accumulate);
    put(&$dz[row, col], d * f($x + i) * (1.0 - s) * (p * q));`,
  ),
  preluGradient: columns(
    'columns',
    ['dx', 'sums'],
    `let i = row * $ldx + col; let d = $dy[row, col];
    add($dx + i, select(f($slope) * d, d, f($x + i) > 0.0), $accumulate);
    if (col == 0u) {
      var sum = 0.0;
      for (var n = 0u; n < $columns; n++) { sum += $dy[row, n] * min($x[row, n], 0.0); }
      put($sums + row, sum);
    }`,
  ),
  dotRows: rows(
    ['o'],
    `
    var sum = 0.0;
    for (var n = 0u; n < $columns; n++) { sum += $x[row, n] * $y[row, n]; }
    add(&$o[row], $scale * sum, $accumulate);`,
  ),
  layerNorm: rows(
    ['z', 'y', 'inverses'],
    `
    let x = $x + row * $ldx; let z = $z + row * $ldy; let y = $y + row * $ldy;
    var sum = 0.0; var squares = 0.0;
    for (var n = 0u; n < $width; n++) { sum += f(x + n); }
    let mean = sum / f32($width);
    for (var n = 0u; n < $width; n++) { let d = f(x + n) - mean; squares += d * d; }
    let inverse = 1.0 / sqrt(squares / f32($width) + $epsilon);
    put($inverses + row, inverse);
    for (var n = 0u; n < $width; n++) {
      let v = (f(x + n) - mean) * inverse;
      put(z + n, v);
      put(y + n, v * f($gain + n) + f($shift + n));
    }`,
  ),
  layerNormGradient: rows(
    ['dx'],
    `
    let z = $z + row * $ldy; let dy = $dy + row * $ldy; let dx = $dx + row * $ldx;
    var sum = 0.0; var product = 0.0;
    for (var n = 0u; n < $width; n++) { let d = f(dy + n) * f($gain + n); sum += d; product += d * f(z + n); }
    let mean = sum / f32($width); let slope = product / f32($width); let inverse = f($inverses + row);
    for (var n = 0u; n < $width; n++) {
      add(dx + n, (f(dy + n) * f($gain + n) - mean - f(z + n) * slope) * inverse, $accumulate);
    }`,
  ),
  softmax: rows(
    ['y'],
    `
    let x = $x + row * $ldx; let y = $y + row * $ldy;
    var largest = f(x);
    for (var n = 1u; n < $width; n++) { largest = max(largest, f(x + n)); }
    var sum = 0.0;
    for (var n = 0u; n < $columns; n++) {
      let e = select(0.0, expOf(f(x + n) - largest), n < $width);
      put(y + n, e);
      sum += e;
    }
    for (var n = 0u; n < $width; n++) { put(y + n, f(y + n) / sum); }`,
  ),
  softmaxGradient: rows(
    ['dx'],
    `
    let y = $y + row * $ldy; let dy = $dy + row * $ldy; let dx = $dx + row * $ldx;
    var dot = 0.0;
    for (var n = 0u; n < $width; n++) { dot += f(y + n) * f(dy + n); }
    for (var n = 0u; n < $width; n++) { add(dx + n, f(y + n) * (f(dy + n) - dot), $accumulate); }`,
  ),
} as const;
