import type { OwnKernel } from '../kernel.js';
import { THREADS } from './prelude.js';

/** Rows and columns of a tile that a workgroup has, and how much of what is summed up it takes at a time. */
const TILE = 64;
const DEPTH = 16;
/** Rows that a weight's gradient sums up in one go; of more, parts are added up by another dispatch. */
const PART_ROWS = 512;
const MAX_PARTS = 8;
/** Up to as many columns, each thread has one number. */
const NARROW = 16;

const tiles = (count: number): number => Math.ceil(count / TILE);

/** In how many parts the rows of a batch are summed up. */
export function partsOf(rows: number): number {
  return Math.max(1, Math.min(MAX_PARTS, Math.ceil(rows / PART_ROWS)));
}

/** What becomes of the operands of a product, and of its sums. */
interface Operands {
  readonly isHalf?: true;
  readonly first: (v: string) => string;
  readonly second: (v: string) => string;
  readonly sum: (v: string) => string;
}
const same = (v: string): string => v;
const WHOLE: Operands = { first: same, second: same, sum: same };
const half = (v: string): string => `halfOf(${v})`;
/**
 * In half precision, where gradients, which are divided by the rows of the batch, would be lost: they are multiplied by
 * them on their way.
 */
const HALF: Operands = { isHalf: true, first: half, second: half, sum: same };
const up = (v: string): string => half(`upscale() * (${v})`);
const down = (v: string): string => `((${v}) / upscale())`;
const HALF_BACK: Operands = { isHalf: true, first: up, second: half, sum: down };
const HALF_GRADIENT: Operands = { isHalf: true, first: half, second: up, sum: down };

/** A step with a number that half precision cannot hold is refused. */
const HALF_OF = `
fn halfOf(v: f32) -> f16 {
  if (!(abs(v) <= 65504.0)) {
    atomicMax(&flags[0], 1u);
    return f16(0.0);
  }
  return f16(v);
}
`;

/** The tiles of two matrices, and what a thread sums up: four rows by four columns. */
const tilesOf = ({ isHalf }: Operands): string => `
var<workgroup> left: array<${isHalf === true ? 'f16' : 'f32'}, ${TILE * DEPTH}>;
var<workgroup> right: array<${isHalf === true ? 'f16' : 'f32'}, ${TILE * DEPTH}>;
${isHalf === true ? HALF_OF : ''}`;
/**
 * sums += left · right, of what lies in the tiles: the block's own sum first, so that rounding grows with the number of
 * blocks.
 */
const multiply = ({ isHalf }: Operands): string => {
  const four = (values: string): string =>
    isHalf === true ? `vec4<f32>(vec4<f16>(${values}))` : `vec4<f32>(${values})`;
  return `
    workgroupBarrier();
    var p0 = vec4<f32>(); var p1 = vec4<f32>(); var p2 = vec4<f32>(); var p3 = vec4<f32>();
    for (var q = 0u; q < ${DEPTH}u; q++) {
      let a = ${four(`left[q * ${TILE}u + ty], left[q * ${TILE}u + ty + 1u], left[q * ${TILE}u + ty + 2u], left[q * ${TILE}u + ty + 3u]`)};
      let b = ${four(`right[q * ${TILE}u + tx], right[q * ${TILE}u + tx + 1u], right[q * ${TILE}u + tx + 2u], right[q * ${TILE}u + tx + 3u]`)};
      p0 += a.x * b; p1 += a.y * b; p2 += a.z * b; p3 += a.w * b;
    }
    s0 += p0; s1 += p1; s2 += p2; s3 += p3;
    workgroupBarrier();`;
};
const SUMS = `
  let tx = (lane % 16u) * 4u; let ty = (lane / 16u) * 4u;
  var s0 = vec4<f32>(); var s1 = vec4<f32>(); var s2 = vec4<f32>(); var s3 = vec4<f32>();`;

/**
 * Does something with each sum of a thread, `found[i][j]`, that is within its matrix: in its row, of which there are so
 * many, and its column `n` of `outputs`.
 */
const eachSum = (row: string, count: string, body: string): string => `let found = array<vec4<f32>, 4>(s0, s1, s2, s3);
    for (var i = 0u; i < 4u; i++) {
      let ${row} = top + ty + i;
      for (var j = 0u; j < 4u; j++) {
        let n = side + tx + j;
        if (${row} < ${count} && n < outputs) {${body}
        }
      }
    }`;

/** c (+)= a · panels + bias, where weights lie in panels of 8 columns; the bias is added last. */
const wide = (operands: Operands): string => `
  let outputs = $panels * 8u;
  let across = (outputs + ${TILE - 1}u) / ${TILE}u;
  let count = across * (($rows + ${TILE - 1}u) / ${TILE}u);
  for (var tile = group; tile < count; tile += groups) {
    let top = tile / across * ${TILE}u; let side = tile % across * ${TILE}u;
    ${SUMS}
    for (var k0 = 0u; k0 < $k; k0 += ${DEPTH}u) {
      for (var j = 0u; j < ${(TILE * DEPTH) / THREADS}u; j++) {
        let i = lane + j * ${THREADS}u;
        let row = top + i / ${DEPTH}u; let q = i % ${DEPTH}u;
        var v = 0.0;
        if (row < $rows && k0 + q < $k) { v = f($a + row * $lda + k0 + q); }
        left[q * ${TILE}u + i / ${DEPTH}u] = ${operands.first('v')};
        let n = side + i % ${TILE}u; let p = k0 + i / ${TILE}u;
        var w = 0.0;
        if (n < outputs && p < $k) { w = f($panelsAt + ((n >> 3u) * $k + p) * 8u + (n & 7u)); }
        right[i] = ${operands.second('w')};
      }
      ${multiply(operands)}
    }
    ${eachSum(
      'row',
      '$rows',
      `
          var v = ${operands.sum('found[i][j]')};
          if ($bias != NONE) { v += f($bias + n); }
          add($c + row * $ldc + n, v, $accumulate);`,
    )}
  }`;

const narrow = (operands: Operands): string => `
  let outputs = $panels * 8u;
  for (var i = group * ${THREADS}u + lane; i < $rows * outputs; i += groups * ${THREADS}u) {
    let row = i / outputs; let n = i % outputs;
    var sum = 0.0;
    for (var k0 = 0u; k0 < $k; k0 += ${DEPTH}u) {
      var block = 0.0;
      for (var p = k0; p < min($k, k0 + ${DEPTH}u); p++) { block += f32(${operands.first('f($a + row * $lda + p)')}) * f32(${operands.second('f($panelsAt + ((n >> 3u) * $k + p) * 8u + (n & 7u))')}); }
      sum += block;
    }
    sum = ${operands.sum('sum')};
    if ($bias != NONE) { sum += f($bias + n); }
    add($c + row * $ldc + n, sum, $accumulate);
  }`;

const products = (operands: Operands) =>
  ({
    wide: {
      form: 'own',
      writes: ['c'],
      threads: ({ rows, of }) => tiles(rows) * tiles(of('panels') * 8) * THREADS,
      hasTiles: true,
      declares: tilesOf(operands),
      body: wide(operands),
      ...(operands.isHalf && { isHalf: true }),
    },
    narrow: {
      form: 'own',
      writes: ['c'],
      threads: ({ rows, of }) => rows * of('panels') * 8,
      declares: operands.isHalf === true ? HALF_OF : '',
      body: narrow(operands),
      ...(operands.isHalf && { isHalf: true }),
    },
  }) as const satisfies Readonly<Record<string, OwnKernel>>;

/** Products of a batch with weights, narrow ones apart. */
export const PRODUCTS = products(WHOLE);

/** Whether a product has so few columns that tiles would be empty for the most part. */
export function isNarrow(panels: number): boolean {
  return panels * 8 <= NARROW;
}

/**
 * g[panel][k][8] (+)= Σ over rows of x[row, k] · d[row, n]: the gradient of weights. Of several parts, each goes to its
 * own place in `scratch`.
 */
const weightGradient = (operands: Operands): OwnKernel => ({
  form: 'own',
  ...(operands.isHalf && { isHalf: true }),
  threads: ({ of }) => tiles(of('k')) * tiles(of('panels') * 8) * THREADS,
  parts: ({ rows }) => partsOf(rows),
  hasTiles: true,
  declares: tilesOf(operands),
  body: `
  let outputs = $panels * 8u;
  let across = (outputs + ${TILE - 1}u) / ${TILE}u;
  let count = across * (($k + ${TILE - 1}u) / ${TILE}u);
  let each = ($rows + parts - 1u) / parts;
  let end = min($rows, (part + 1u) * each);
  for (var tile = group; tile < count; tile += groups) {
    let top = tile / across * ${TILE}u; let side = tile % across * ${TILE}u;
    ${SUMS}
    for (var b0 = part * each; b0 < end; b0 += ${DEPTH}u) {
      for (var j = 0u; j < ${(TILE * DEPTH) / THREADS}u; j++) {
        let i = lane + j * ${THREADS}u;
        let row = b0 + i / ${TILE}u;
        let kk = top + i % ${TILE}u; let n = side + i % ${TILE}u;
        var v = 0.0; var w = 0.0;
        if (row < end && kk < $k) { v = f($x + row * $ldx + kk); }
        if (row < end && n < outputs) { w = f($d + row * $ldd + n); }
        left[i] = ${operands.first('v')};
        right[i] = ${operands.second('w')};
      }
      ${multiply(operands)}
    }
    ${eachSum(
      'kk',
      '$k',
      `
          let at = ((n >> 3u) * $k + kk) * 8u + (n & 7u);
          let v = ${operands.sum('found[i][j]')};
          if (parts == 1u) { add($g + at, v, $accumulate); }
          else { scratch[$scratch + part * $k * outputs + at] = bitcast<u32>(v); }`,
    )}
  }`,
});
export const WEIGHT_GRADIENT = weightGradient(WHOLE);

/** The same products in half precision: forward, back to the input, and to the weights. */
export const HALF_PRODUCTS = {
  forward: products(HALF),
  back: products(HALF_BACK),
  gradient: weightGradient(HALF_GRADIENT),
} as const;

/** Adds up the parts of a weight's gradient. */
export const WEIGHT_GRADIENT_SUM: OwnKernel = {
  form: 'own',
  threads: ({ rows, of }) => (partsOf(rows) === 1 ? 0 : of('k') * of('panels') * 8),
  body: `
  let count = $k * $panels * 8u;
  let numParts = min(${MAX_PARTS}u, ($rows + ${PART_ROWS - 1}u) / ${PART_ROWS}u);
  if (numParts == 1u) { return; }
  for (var i = group * ${THREADS}u + lane; i < count; i += groups * ${THREADS}u) {
    var sum = 0.0;
    for (var p = 0u; p < numParts; p++) { sum += bitcast<f32>(scratch[$scratch + p * count + i]); }
    add($g + i, sum, $accumulate);
  }`,
};

/** The weights turned round, in panels of 8 inputs. */
export const TRANSPOSE: OwnKernel = {
  form: 'own',
  writes: ['t'],
  isApart: true,
  threads: ({ of }) => of('k') * of('panels') * 8,
  body: `
  let outputs = $panels * 8u;
  for (var i = group * ${THREADS}u + lane; i < $k * outputs; i += groups * ${THREADS}u) {
    let kk = i / outputs; let n = i % outputs;
    m[$t + ((kk >> 3u) * outputs + n) * 8u + (kk & 7u)] = m[$p + ((n >> 3u) * $k + kk) * 8u + (n & 7u)];
  }`,
};
