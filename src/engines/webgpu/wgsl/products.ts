import { argumentNames } from '../../compile/kernel-arguments.js';
import type { ExpandedKernel, ListCall, Named, OwnKernel } from '../kernel.js';
import { THREADS } from './prelude.js';

/** Rows and columns of a workgroup's tile, and the number of products that it sums at a time. */
const TILE = 64;
const DEPTH = 16;
/** Rows that a weight's gradient sums in one part; another dispatch adds the parts. */
const PART_ROWS = 512;
const MAX_PARTS = 8;
/** Maximum number of columns of a product with one element per thread. */
const NARROW = 16;

const tiles = (count: number): number => Math.ceil(count / TILE);

/** Returns in how many parts the rows of a domain are summed. */
function partsOf(rows: number): number {
  return Math.max(1, Math.min(MAX_PARTS, Math.ceil(rows / PART_ROWS)));
}

/** The same on a device; other calls of the dispatch may have more. */
const NUM_PARTS = `let numParts = clamp(($rows + ${PART_ROWS - 1}u) / ${PART_ROWS}u, 1u, ${MAX_PARTS}u);`;

/** How the operands of a product, and its sums, are converted. */
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
 * Half precision. Gradients, which are divided by the rows of the batch, would underflow: they are multiplied by about
 * as much before a product, and divided after it.
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

/** Returns the declarations of the tiles of two matrices; a thread sums four rows by four columns. */
const tilesOf = ({ isHalf }: Operands): string => `
var<workgroup> left: array<${isHalf === true ? 'f16' : 'f32'}, ${TILE * DEPTH}>;
var<workgroup> right: array<${isHalf === true ? 'f16' : 'f32'}, ${TILE * DEPTH}>;
${isHalf === true ? HALF_OF : ''}`;
/**
 * Returns sums += left · right for the tiles. Each block is summed separately, so that rounding errors grow with the
 * number of blocks.
 */
const multiply = ({ isHalf }: Operands): string => {
  const four = (tile: string, at: string): string => {
    const values = ['', ' + 1u', ' + 2u', ' + 3u'].map((more) => `${tile}[q * ${TILE}u + ${at}${more}]`).join(', ');
    return isHalf === true ? `vec4<f32>(vec4<f16>(${values}))` : `vec4<f32>(${values})`;
  };
  return `
    workgroupBarrier();
    var p0 = vec4<f32>(); var p1 = vec4<f32>(); var p2 = vec4<f32>(); var p3 = vec4<f32>();
    for (var q = 0u; q < ${DEPTH}u; q++) {
      let a = ${four('left', 'ty')};
      let b = ${four('right', 'tx')};
      p0 += a.x * b; p1 += a.y * b; p2 += a.z * b; p3 += a.w * b;
    }
    s0 += p0; s1 += p1; s2 += p2; s3 += p3;
    workgroupBarrier();`;
};
const SUMS = `
  let tx = (lane % 16u) * 4u; let ty = (lane / 16u) * 4u;
  var s0 = vec4<f32>(); var s1 = vec4<f32>(); var s2 = vec4<f32>(); var s3 = vec4<f32>();`;

/** Returns a loop over the sums of a thread, `found[i][j]`, within `count` rows and `outputs` columns (`n`). */
const eachSum = (row: string, count: string, body: string): string => `let found = array<vec4<f32>, 4>(s0, s1, s2, s3);
    for (var i = 0u; i < 4u; i++) {
      let ${row} = top + ty + i;
      for (var j = 0u; j < 4u; j++) {
        let n = side + tx + j;
        if (${row} < ${count} && n < outputs) {${body}
        }
      }
    }`;

/** c (+)= a · panels + bias; weights are in panels of 8 columns, and the bias is added last. */
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
          if ($accumulate != 0u) { v += $c[row, n]; }
          if (n < $activatedPanels * 8u) { v = activated($activation, v); }
          put(&$c[row, n], v);`,
    )}
  }`;

const narrow = (operands: Operands): string => `
  let outputs = $panels * 8u;
  for (var i = group * ${THREADS}u + lane; i < $rows * outputs; i += groups * ${THREADS}u) {
    let row = i / outputs; let n = i % outputs;
    var sum = 0.0;
    for (var k0 = 0u; k0 < $k; k0 += ${DEPTH}u) {
      var block = 0.0;
      for (var p = k0; p < min($k, k0 + ${DEPTH}u); p++) {
        block += f32(${operands.first('$a[row, p]')})
          * f32(${operands.second('f($panelsAt + ((n >> 3u) * $k + p) * 8u + (n & 7u))')});
      }
      sum += block;
    }
    sum = ${operands.sum('sum')};
    if ($bias != NONE) { sum += f($bias + n); }
    if ($accumulate != 0u) { sum += $c[row, n]; }
    if (n < $activatedPanels * 8u) { sum = activated($activation, sum); }
    put(&$c[row, n], sum);
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

const named = (name: string, kernel: OwnKernel): Named => ({ name, names: argumentNames('gemm'), kernel });
const byWidth = (suffix: string, { wide, narrow }: Record<'wide' | 'narrow', OwnKernel>) => ({
  wide: named(`gemm wide${suffix}`, wide),
  narrow: named(`gemm narrow${suffix}`, narrow),
});
const FORMS = {
  whole: byWidth('', products(WHOLE)),
  halfForward: byWidth(' half forward', products(HALF)),
  halfBack: byWidth(' half back', products(HALF_BACK)),
} as const;

/** Products of a batch with weights: tiles would be mostly empty in narrow ones. */
export const PRODUCT: ExpandedKernel = {
  form: 'expanded',
  kernels: Object.values(FORMS).flatMap(({ wide, narrow }) => [wide, narrow]),
  expand(call, { compiled, isHalf }) {
    const { buffer } = call.ref('panelsAt');
    const { matrices, combined } = compiled.places;
    const isBack = [...matrices, ...combined].some(({ transposed }) => transposed.buffer === buffer);
    const form = FORMS[isHalf ? (isBack ? 'halfBack' : 'halfForward') : 'whole'];
    const of = call.number('panels') * 8 <= NARROW ? form.narrow : form.wide;
    return { calls: [{ of, operands: call.operands }] };
  },
};

/**
 * g[panel][k][8] (+)= Σ over rows of x[row, k] · d[row, n]: the gradient of weights. If there are several parts, each
 * is written to its own words of `scratch`.
 */
const weightGradient = (operands: Operands): OwnKernel => ({
  form: 'own',
  sum: 'g',
  ...(operands.isHalf && { isHalf: true }),
  threads: ({ of }) => tiles(of('k')) * tiles(of('panels') * 8) * THREADS,
  parts: ({ rows }) => partsOf(rows),
  hasTiles: true,
  declares: tilesOf(operands),
  body: `
  let outputs = $panels * 8u;
  let across = (outputs + ${TILE - 1}u) / ${TILE}u;
  let count = across * (($k + ${TILE - 1}u) / ${TILE}u);
  ${NUM_PARTS}
  if (part >= numParts) { return; }
  let each = ($rows + numParts - 1u) / numParts;
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
        if (row < end && kk < $k) { v = $x[row, kk]; }
        if (row < end && n < outputs) { w = $d[row, n]; }
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
          if (numParts == 1u) { add($g + at, v, $accumulate); }
          else { scratch[$scratch + part * $k * outputs + at] = bitcast<u32>(v); }`,
    )}
  }`,
});

/** Adds the parts of a weight's gradient. */
const SUM_PARTS: OwnKernel = {
  form: 'own',
  sum: 'g',
  threads: ({ rows, of }) => (partsOf(rows) === 1 ? 0 : of('k') * of('panels') * 8),
  body: `
  let count = $k * $panels * 8u;
  ${NUM_PARTS}
  if (numParts == 1u) { return; }
  for (var i = group * ${THREADS}u + lane; i < count; i += groups * ${THREADS}u) {
    var sum = 0.0;
    for (var p = 0u; p < numParts; p++) { sum += bitcast<f32>(scratch[$scratch + p * count + i]); }
    add($g + i, sum, $accumulate);
  }`,
};

const gradient = (name: string, kernel: OwnKernel): Named => ({ name, names: argumentNames('gemmGradient'), kernel });
const GRADIENT = gradient('gemmGradient', weightGradient(WHOLE));
const GRADIENT_HALF = gradient('gemmGradient half', weightGradient(HALF_GRADIENT));
const GRADIENT_SUM = gradient('gemmGradientSum', SUM_PARTS);

/** Two products may be added in one gradient: their parts are separate. */
const scratchKey = (call: ListCall): string => {
  const { buffer, offset } = call.ref('g');
  return `${buffer.name} ${offset} ${call.number('accumulate')}`;
};

/** Gradients of weights, whose parts are added after all other calls of a phase. */
export const WEIGHT_GRADIENT: ExpandedKernel = {
  form: 'expanded',
  kernels: [GRADIENT, GRADIENT_HALF, GRADIENT_SUM],
  scratch(call, maxRows) {
    const parts = partsOf(maxRows);
    return { key: scratchKey(call), words: parts > 1 ? call.number('k') * call.number('panels') * 8 * parts : 0 };
  },
  expand(call, { isHalf, scratchAt }) {
    const { operands } = call;
    const extra = { scratch: scratchAt(scratchKey(call)) };
    return {
      calls: [{ of: isHalf ? GRADIENT_HALF : GRADIENT, operands, extra }],
      last: [{ of: GRADIENT_SUM, operands, extra }],
    };
  },
};

/** The transpose of weights, in panels of 8 inputs. */
export const TRANSPOSE: OwnKernel = {
  form: 'own',
  writes: ['t'],
  isDisjoint: true,
  threads: ({ of }) => of('k') * of('panels') * 8,
  body: `
  let outputs = $panels * 8u;
  for (var i = group * ${THREADS}u + lane; i < $k * outputs; i += groups * ${THREADS}u) {
    let kk = i / outputs; let n = i % outputs;
    m[$t + ((kk >> 3u) * outputs + n) * 8u + (kk & 7u)] = m[$p + ((n >> 3u) * $k + kk) * 8u + (n & 7u)];
  }`,
};
