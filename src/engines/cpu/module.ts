import type { NotBuilt } from '../../system/native-build.js';
import { SIGNATURES } from '../compile/kernel-signatures.js';
import type { Precision } from '../precision.js';
import { ALIGNMENT } from '../state/memory-plan.js';
import { NO_TABLES } from '../state/table-memory.js';
import { BEGIN } from './begin.js';
import type { Instance, Kernels, Shares, TableKernels } from './kernels.js';
import { familyIndex, openAddon, type NativeKernels } from './native/addon.js';
import { createTableKernels } from './table-window.js';

/** Bytes of a page of WebAssembly memory, and the maximum number of pages. */
export const PAGE_BYTES = 65_536;
export const MAX_BYTES = 4 * 2 ** 30 - PAGE_BYTES;

/** Reason for the lack of native kernels, and the fix if there is one. */
export interface NoNative extends NotBuilt {
  /** Whether native kernels were disabled on request. */
  readonly isChosen?: boolean;
}

/**
 * The kernels compiled to WebAssembly, whether they fuse multiplications and additions, and the native kernels or the
 * reason for their lack.
 */
export interface KernelModule {
  readonly module: WebAssembly.Module;
  readonly isRelaxed: boolean;
  readonly native: NativeKernels | NoNative;
}

/**
 * Returns why the products of a step are slower than in single precision, although bitwise identical to fast ones;
 * undefined if they are not slower.
 */
export function whyEmulated({ native }: KernelModule, precision: Precision): string | undefined {
  return precision === 'f32'
    ? undefined
    : 'reason' in native
      ? `native kernels are not available: ${native.reason}`
      : native.noBf16;
}

/** Creates a memory of at least `bytes` bytes that workers can share. */
export function createMemory(bytes: number): WebAssembly.Memory {
  const pages = Math.ceil(Math.max(bytes, BEGIN) / PAGE_BYTES);
  return new WebAssembly.Memory({ initial: pages, maximum: Math.max(pages, 65_536), shared: true });
}

/** Returns the offset of the first cache line in new memory, where native kernels access a row in the fewest lines. */
export function lineOffset({ native }: KernelModule, memory: SharedArrayBuffer): number {
  if ('reason' in native) return 0;
  return (ALIGNMENT - (openAddon(native.path).addressOf(new Uint8Array(memory)) % ALIGNMENT)) % ALIGNMENT;
}

/** Instantiates the kernels on a memory and on tables, natively if possible. */
export function instantiate(
  { module, native }: KernelModule,
  memory: WebAssembly.Memory,
  tables = NO_TABLES,
): Instance {
  return 'reason' in native ? instantiateWasm(module, memory, tables) : instantiateNative(native, memory, tables);
}

/** What src/kernels exports. */
type Exports = Kernels & Shares & Pick<Instance, 'run'> & { heapBase(): number };

/** Instantiates the WebAssembly kernels, which access tables through a window. */
export function instantiateWasm(module: WebAssembly.Module, memory: WebAssembly.Memory, tables = NO_TABLES): Instance {
  const { run, heapBase, shareBegin, shareEnd, ...kernels } = new WebAssembly.Instance(module, { env: { memory } })
    .exports as unknown as Exports;
  if (heapBase() > BEGIN) throw new Error('the kernels need more memory of their own');
  return {
    kernels,
    tableKernels: createTableKernels({ shareBegin, shareEnd }, memory, tables, () => {
      const own = createMemory(BEGIN);
      return { kernels: instantiateWasm(module, own).kernels, memory: own };
    }),
    // WebAssembly returns signed integers.
    run: (from, to) => run(from, to) >>> 0,
    reach: (address) => (tables.has(address) ? undefined : address),
  };
}

/** Attaches the native kernels to a memory; tables are addressed relative to it. */
export function instantiateNative(
  { path, family }: NativeKernels,
  memory: WebAssembly.Memory,
  tables = NO_TABLES,
): Instance {
  const addon = openAddon(path);
  const index = familyIndex(addon, family);
  const bytes = new Uint8Array(memory.buffer);
  const begin = addon.addressOf(bytes);
  addon.useHugePages(bytes);
  const offsets = new Map<number, number>();
  for (const [address, rows] of tables) {
    addon.useHugePages(rows);
    offsets.set(address, addon.addressOf(rows) - begin);
  }
  const kernels: Record<string, (...args: number[]) => void> = {};
  const tableKernels: Record<string, (...args: number[]) => void> = {};
  for (const [kernel, [name, parameters]] of Object.entries(SIGNATURES).entries()) {
    // V8 creates no array for arguments that are only passed on.
    kernels[name] = (...args) => addon.call(index, begin, kernel, ...args);
    const tableAt = Object.keys(parameters).indexOf('table');
    if (tableAt < 0) continue;
    tableKernels[name] = (...args) => {
      args[tableAt] = offsets.get(args[tableAt]!)!;
      addon.call(index, begin, kernel, ...args);
    };
  }
  return {
    // One for each signature.
    kernels: kernels as Kernels,
    tableKernels: tableKernels as TableKernels,
    run: (from, to) => addon.run(index, begin, from, to),
    reach: (address) => offsets.get(address) ?? address,
  };
}
