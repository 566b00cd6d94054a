import { createHash } from 'node:crypto';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { NotBuilt } from '../../../system/native-build.js';
import { mix, randomStream } from '../../../core/random.js';
import { WORD } from '../../compile/buffers.js';
import { SIGNATURES } from '../../compile/kernel-signatures.js';
import { BEGIN } from '../begin.js';
import type { Kernels } from '../kernels.js';
import { createMemory, instantiateNative, instantiateWasm, PAGE_BYTES } from '../module.js';
import { PRODUCTS, type Products } from '../../compile/products.js';
import { openAddon, type NativeKernels } from './addon.js';
import { buildAddon } from './build.js';
import { findPrebuilt } from './prebuilt.js';

/** A family whose products in bfloat16 are computed by the processor, and the family that it extends. */
const [WITH_BF16, WITHOUT_BF16] = ['AVX-512-BF16', 'AVX-512'];

/** Why an addon that loads is not used on a processor, which another build would not change. */
const NO_FAMILY: NotBuilt = { reason: 'this processor has no vector fused multiply-add' };

/** The built process of build-process.ts. The path is the same from this file and from its built form. */
const BUILDER = fileURLToPath(
  new URL('../../../../dist/threads/engines-cpu-native-build-process.cjs', import.meta.url),
);

/** The search for native kernels. */
export interface NativeSearch {
  /** Bytes of the WebAssembly kernels, of which `module` is compiled. */
  readonly wasm: Uint8Array;
  readonly module: WebAssembly.Module;
  /** Compiles before the call returns, instead of in the background. */
  readonly isPatient: boolean;
  /** Retries a build that failed less than a day ago. */
  readonly isInsistent: boolean;
  /** Called before the compiler runs. */
  onBuild(): void;
  /** Receives why an installed package of native kernels is not used, and the fix. */
  onRefused(text: string): void;
}

/**
 * Returns the fastest native kernels of this machine, or why none is used: the kernels of an installed package, else
 * the kernels that were compiled here. If these do not exist, they are compiled now or in the background.
 * @param prebuilt the installed package, if there is one
 */
export function findNative(search: NativeSearch, prebuilt = findPrebuilt()): NativeKernels | NotBuilt {
  if (prebuilt !== undefined) {
    const { name } = prebuilt;
    const checked = 'reason' in prebuilt ? prebuilt : checkAddon(prebuilt.path, search);
    if (!('reason' in checked)) return { ...checked, packageName: name };
    if (checked === NO_FAMILY) return checked;
    search.onRefused(`${name} is not used: ${checked.reason}; ${checked.fix ?? `reinstall ${name}`}`);
  }
  const { isPatient, isInsistent } = search;
  const onBuild = (): void => search.onBuild();
  const built = buildAddon({ isInsistent, ...(isPatient ? { onBuild } : { startBuild }) });
  return 'reason' in built ? built : checkAddon(built.path, search);
}

/** Starts the process that compiles the kernels at low priority. It continues after this process has ended. */
function startBuild(): void {
  // Loaded lazily: one start per machine needs it.
  const { spawn } = process.getBuiltinModule('node:child_process');
  const builder = spawn(process.execPath, [BUILDER], { detached: true, stdio: 'ignore', windowsHide: true });
  // Without a process, the next start tries again.
  builder.on('error', () => undefined);
  builder.unref();
}

/** Returns the fastest kernels of an addon that this processor has and that are proven, or why there are none. */
function checkAddon(path: string, { wasm, module }: NativeSearch): NativeKernels | NotBuilt {
  try {
    const [family] = familiesHere(path);
    if (family === undefined) return NO_FAMILY;
    if (!isProven(path, family, wasm, () => hasSameBits({ path, family }, module)))
      return { reason: `the compiled kernels are not bitwise identical to WebAssembly (${path})` };
    if (family !== WITH_BF16)
      return { path, family, noBf16: 'this processor or compiler does not support AVX-512-BF16' };
    if (hasSameBf16({ path, family }, module)) return { path, family };
    const noBf16 = "this processor's AVX-512-BF16 results differ from the specification";
    return { path, family: WITHOUT_BF16, noBf16 };
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}

/** Returns the families of an addon that this processor belongs to, fastest first. */
export function familiesHere(path: string): readonly string[] {
  return openAddon(path)
    .families()
    .flatMap(([name, isHere]) => (isHere ? [name] : []));
}

/**
 * Returns whether the kernels of an addon are proven bitwise identical to WebAssembly, now or before: the check takes
 * longer than the rest of the search. A file next to the addon records a success, by the size and time of the addon,
 * the family, those bytes and the version of V8.
 * @param prove runs the check
 */
export function isProven(path: string, family: string, wasm: Uint8Array, prove: () => boolean): boolean {
  const { size, mtimeMs } = statSync(path);
  const id = createHash('sha256')
    .update(JSON.stringify([family, process.versions.v8, size, mtimeMs]))
    .update(wasm)
    .digest('hex');
  const proven = `${path}.${id.slice(0, 16)}.proven`;
  if (existsSync(proven)) return true;
  if (!prove()) return false;
  try {
    writeFileSync(proven, '');
  } catch {
    // The next start checks again.
  }
  return true;
}

/**
 * Sizes that end within tiles, blocks, panels and vectors; columns beyond the widest group; and widths with and without
 * specialized kernels.
 */
const TRIED = { rows: 141, inputs: 41, panels: 7, columns: 108, tableRows: 97, widths: [21, 16, 8], stride: 64 };
/** Pages of memory for the full check, and for the check of products that runs at each start. */
const TRIED_PAGES = { all: 24, products: 3 };
/** Updates of tables by every rule. */
const TABLE_UPDATES = Object.keys(SIGNATURES).filter((name): name is Extract<keyof Kernels, `${string}Table`> =>
  name.endsWith('Table'),
);
/** Constants that are valid for any rule. */
const CONSTANTS = [1, 0, 0.01, Infinity, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8];

/**
 * Returns whether native kernels are bitwise identical to WebAssembly on this processor: a check at run time, since the
 * compiler is unknown.
 */
export function hasSameBits(native: NativeKernels, module: WebAssembly.Module): boolean {
  return leavesTheSame(native, module, TRIED_PAGES.all, (kernels, memory, place) => {
    tryProducts(kernels, memory, place, PRODUCTS.f32);
    tryNorms(kernels, memory, place);
    for (const width of TRIED.widths) tryRows(kernels, memory, place, width);
  });
}

/** Returns the same of products in bfloat16: only the manual of a manufacturer specifies their rounding. */
function hasSameBf16(native: NativeKernels, module: WebAssembly.Module): boolean {
  return leavesTheSame(native, module, TRIED_PAGES.products, (kernels, memory, place) =>
    tryProducts(kernels, memory, place, PRODUCTS.bf16),
  );
}

/** Returns whether native kernels write the same memory contents as WebAssembly. */
function leavesTheSame(
  native: NativeKernels,
  module: WebAssembly.Module,
  pages: number,
  run: (kernels: Kernels, memory: WebAssembly.Memory, place: Places) => void,
): boolean {
  const results = [instantiateWasm.bind(undefined, module), instantiateNative.bind(undefined, native)].map((on) => {
    const memory = createMemory(BEGIN + pages * PAGE_BYTES);
    const { kernels } = on(memory);
    kernels.join(0, 1, 0);
    run(kernels, memory, takePlaces(BEGIN));
    return Buffer.from(memory.buffer, BEGIN);
  });
  return results[0]!.equals(results[1]!);
}

type Places = (words: number) => number;

/** Allocates addresses in sequence. */
function takePlaces(begin: number): Places {
  let end = begin;
  return (words) => (end += words * WORD) - words * WORD;
}

function tryProducts(
  kernels: Kernels,
  { buffer }: WebAssembly.Memory,
  place: Places,
  { product, gradient }: Products,
): void {
  const { rows, inputs, panels } = TRIED;
  const columns = panels * 8;
  const [x, weights, y] = [place(rows * inputs), place(columns * inputs), place(rows * columns)];
  fill(new Float32Array(buffer, x, rows * inputs), 0.5);
  fill(new Float32Array(buffer, weights, columns * inputs), 0.5);
  kernels[product](x, inputs, weights, weights, y, columns, rows, inputs, panels, 0);
  kernels[gradient](x, inputs, y, columns, weights, rows, inputs, panels, 1);
}

function tryNorms(kernels: Kernels, { buffer }: WebAssembly.Memory, place: Places): void {
  const { rows, columns } = TRIED;
  const [x, dy, y, dx] = [place(rows * columns), place(rows * columns), place(rows * columns), place(rows * columns)];
  const [gain, shift, dgain, dshift, running, statistics] = [
    place(columns),
    place(columns),
    place(columns),
    place(columns),
    place(2 * columns),
    place(6 * columns),
  ];
  for (const at of [x, dy]) fill(new Float32Array(buffer, at, rows * columns), 0.5);
  for (const at of [gain, shift, running]) fill(new Float32Array(buffer, at, columns), 0.5);
  kernels.normalize(
    x,
    columns,
    y,
    columns,
    gain,
    shift,
    running,
    statistics,
    rows,
    columns,
    1e-5,
    0.1,
    0,
    Math.ceil(columns / 16),
  );
  kernels.normalizeGradient(
    x,
    columns,
    dy,
    columns,
    gain,
    statistics,
    dx,
    dgain,
    dshift,
    rows,
    columns,
    1,
    0,
    Math.ceil(columns / 16),
  );
}

function tryRows(kernels: Kernels, { buffer }: WebAssembly.Memory, place: Places, width: number): void {
  const { rows, tableRows, stride } = TRIED;
  const [ids, factors, offsets, bag] = [place(rows), place(rows), place(rows + 1), place(2)];
  const [table, y, hash, distinct, gradients, rowNumbers] = [
    place(tableRows * stride),
    place(rows * width),
    place(4 * rows),
    place(rows),
    place(rows * width),
    place(rows),
  ];
  const [claim, countAt, fresh, refused, constants] = [place(1), place(3), place(1), place(1), place(CONSTANTS.length)];
  const words = new Uint32Array(buffer);
  // Optimizer state is not negative.
  fill(new Float32Array(buffer, table, tableRows * stride), 0);
  fill(new Float32Array(buffer, factors, rows), 0.5);
  const random = randomStream(0, 'native ids');
  for (let b = 0; b < rows; b++) words[ids / WORD + b] = random.below(tableRows);
  for (let b = 0; b <= rows; b++) words[offsets / WORD + b] = Math.min(rows, 3 * b);
  words.set([ids, factors], bag / WORD);
  words.set([0, 0, rows, 1], countAt / WORD);
  new Float32Array(buffer, constants).set(CONSTANTS);
  // Any bits are a quantized row.
  for (const name of ['lookupInt8', 'lookupHalf'] as const)
    kernels[name](ids, table, tableRows, stride, width, place(rows * width), width, rows);
  for (const name of ['lookupBagsInt8', 'lookupBagsHalf'] as const)
    kernels[name](bag, offsets, table, tableRows, stride, width, place(rows * width), width, rows);
  kernels.lookup(ids, table, tableRows, stride, width, y, width, rows);
  kernels.gatherGradients(claim, ids, y, width, width, hash, distinct, gradients, 1, 0, countAt, rows, 1, fresh, 0);
  // Workers share the table from one worker on.
  kernels.clearRows(hash, distinct, countAt, fresh, 1);
  kernels.findRows(ids, rowNumbers, hash, distinct, countAt, rows, 1);
  kernels.numberRows(claim, ids, rowNumbers, hash, distinct, countAt, rows, 1, fresh, 1);
  kernels.addGradients(rowNumbers, y, width, width, gradients, 1, 0, rows, 1);
  for (const update of TABLE_UPDATES)
    kernels[update](table, stride, width, hash, distinct, gradients, countAt, constants, refused, 0);
  kernels.lookupBags(bag, offsets, table, tableRows, stride, width, y, width, rows);
  kernels.gatherBagGradients(
    claim,
    bag,
    offsets,
    y,
    width,
    width,
    hash,
    distinct,
    gradients,
    1,
    0,
    countAt,
    rows,
    1,
    fresh,
  );
}

/** Number of distinct random numbers, which repeat. No size is a multiple of it, so that rows differ. */
const DRAWN = 1511;
/** Random numbers by the value subtracted from them, cached because drawing takes longer than the kernels. */
const drawn = new Map<number, Float32Array>();

/** Fills with numbers in [0, 1), minus `lift`. */
function fill(floats: Float32Array, lift: number): void {
  const numbers = drawn.get(lift) ?? drawNumbers(lift);
  for (let at = 0; at < floats.length; at += DRAWN) floats.set(numbers.subarray(0, floats.length - at), at);
}

function drawNumbers(lift: number): Float32Array {
  const numbers = new Float32Array(DRAWN);
  for (let i = 0; i < DRAWN; i++) numbers[i] = mix(i) / 2 ** 32 - lift;
  drawn.set(lift, numbers);
  return numbers;
}
