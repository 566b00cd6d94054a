/** Threads and rows of a workgroup that runs calls by rows. */
export const ROW_THREADS = 64;
export const ROWS_OF_GROUP = 16;
/** Threads of every other workgroup. */
export const THREADS = 256;
/** Address of a missing argument. */
export const NONE = 0xffffffff;

/**
 * Words of a call's arguments. Calls are stored in windows of the largest uniform buffer that every device supports. A
 * window starts with words for all calls of a step: four, then the number of items of each sequence. A directory
 * follows, with two shaders per word: the first vector of the calls of each. So a dispatch requires no address of its
 * arguments.
 */
export const CALL_WORDS = 20;
export const WINDOW_WORDS = 4096;
/** Entries of a directory. */
export const SLOTS = 256;
export const ITEMS_WORD = 4;
/** Maximum number of sequences. */
export const MAX_SEQUENCES = 32;
export const STEP_WORDS = ITEMS_WORD + MAX_SEQUENCES;
export const FIRST_CALL_WORD = STEP_WORDS + SLOTS / 2;
/** Maximum number of calls of a dispatch. */
export const MAX_CALLS = Math.floor((WINDOW_WORDS - FIRST_CALL_WORD) / CALL_WORDS);

/**
 * Code at the start of every shader. `m` is all memory except the rows of tables, which are in `t`; both are words,
 * since an id that is read as a float may change. `items` has bags and index lists, `scratch` is free in every phase,
 * and `flags[0]` is 1 once a step is refused. `calls` is a window of arguments. It starts with the rows of the batch,
 * the bits of infinity and of NaN, which WGSL cannot express, and the bits of a scale.
 *
 * exp and log are implemented here (Moshier's Cephes, expf and logf): the functions of WGSL may be inaccurate, and
 * differ by device.
 */
export const PRELUDE = `
@group(0) @binding(0) var<storage, read_write> m: array<u32>;
@group(0) @binding(1) var<storage, read_write> t: array<u32>;
@group(0) @binding(2) var<storage, read> items: array<u32>;
@group(0) @binding(3) var<storage, read_write> scratch: array<u32>;
@group(0) @binding(4) var<storage, read_write> flags: array<atomic<u32>, 4>;
@group(0) @binding(5) var<uniform> calls: array<vec4<u32>, ${WINDOW_WORDS / 4}>;

const NONE = ${NONE}u;

fn f(i: u32) -> f32 { return bitcast<f32>(m[i]); }
fn put(i: u32, v: f32) { m[i] = bitcast<u32>(v); }
fn add(i: u32, v: f32, accumulate: u32) {
  if (accumulate != 0u) { m[i] = bitcast<u32>(f(i) + v); } else { m[i] = bitcast<u32>(v); }
}
/** An integer of an index list: a word, or half of one. */
fn listed(at: u32, i: u32, isShort: u32) -> u32 {
  if (isShort == 0u) { return items[at + i]; }
  return (items[at + i / 2u] >> (i % 2u * 16u)) & 0xffffu;
}
fn isRefused() -> bool { return atomicLoad(&flags[0]) != 0u; }

fn batchRows() -> u32 { return calls[0].x; }
/** The rows of the batch, rounded to a power of two: a factor for gradients in half precision. */
fn upscale() -> f32 { return bitcast<f32>(calls[0].w); }
fn infinity() -> f32 { return bitcast<f32>(calls[0].y); }

/** Refuses the step if the square of an element is not finite: 2^64 and more, infinity and NaN. */
fn watch(v: f32) {
  if ((bitcast<u32>(v) & 0x7fffffffu) >= 0x5f800000u) { atomicMax(&flags[0], 1u); }
}

fn isNan(v: f32) -> bool { return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u; }
/** The larger of x and 0, or NaN. */
fn positive(x: f32) -> f32 { return select(x, 0.0, x < 0.0); }

fn power2(n: i32) -> f32 { return bitcast<f32>(u32(n + 127) << 23u); }

fn expOf(value: f32) -> f32 {
  let x = clamp(value, -87.33654, 88.72283);
  let n = floor(x * 1.44269504 + 0.5);
  let r = (x - n * 0.693359375) - n * -2.12194440e-4;
  var p = 1.9875691500e-4;
  p = p * r + 1.3981999507e-3;
  p = p * r + 8.3334519073e-3;
  p = p * r + 4.1665795894e-2;
  p = p * r + 1.6666665459e-1;
  p = p * r + 5.0000001201e-1;
  let y = p * r * r + r + 1.0;
  let half = i32(n) >> 1u;
  // WGSL may clamp NaN to a finite value.
  return select(y * power2(half) * power2(i32(n) - half), value, isNan(value));
}

fn sigmoid(x: f32) -> f32 { return 1.0 / (1.0 + expOf(-x)); }

fn logOf(v: f32) -> f32 {
  let bits = bitcast<u32>(v);
  if (bits >= 0x7f800000u) { return select(bitcast<f32>(calls[0].z), v, bits == 0x7f800000u); }
  if (bits < 0x00800000u) { return -infinity(); }
  var e = f32(i32(bits >> 23u) - 126);
  var x = bitcast<f32>((bits & 0x007fffffu) | 0x3f000000u);
  if (x < 0.70710678) {
    e -= 1.0;
    x = x + x - 1.0;
  } else {
    x = x - 1.0;
  }
  let z = x * x;
  var y = 7.0376836292e-2;
  y = y * x - 1.1514610310e-1;
  y = y * x + 1.1676998740e-1;
  y = y * x - 1.2420140846e-1;
  y = y * x + 1.4249322787e-1;
  y = y * x - 1.6668057665e-1;
  y = y * x + 2.0000714765e-1;
  y = y * x - 2.4999993993e-1;
  y = y * x + 3.3333331174e-1;
  y = y * x * z + e * -2.12194440e-4 - 0.5 * z;
  return x + y + e * 0.693359375;
}

/** log(1 + x), corrected for the rounding of 1 + x. */
fn log1pOf(x: f32) -> f32 {
  let u = 1.0 + x;
  if (u == 1.0) { return x; }
  if (!(u > 0.0) || u >= infinity()) { return logOf(u); }
  return logOf(u) + (x - (u - 1.0)) / u;
}

fn expm1Of(x: f32) -> f32 {
  if (abs(x) >= 0.5) { return expOf(x) - 1.0; }
  return x * (1.0 + x / 2.0 * (1.0 + x / 3.0 * (1.0 + x / 4.0 *
    (1.0 + x / 5.0 * (1.0 + x / 6.0 * (1.0 + x / 7.0 * (1.0 + x / 8.0)))))));
}

fn softplus(x: f32) -> f32 { return positive(x) + log1pOf(expOf(-abs(x))); }

var<workgroup> lanes: array<f32, ${THREADS}>;

/** The sum over all threads of a workgroup. */
fn overAll(v: f32, lane: u32) -> f32 {
  workgroupBarrier();
  lanes[lane] = v;
  workgroupBarrier();
  for (var half = ${THREADS / 2}u; half > 0u; half = half >> 1u) {
    if (lane < half) { lanes[lane] += lanes[lane + half]; }
    workgroupBarrier();
  }
  return lanes[0];
}
`;
