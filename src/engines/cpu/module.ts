import type { NotBuilt } from '../../system/native-build.js';
import { SIGNATURES } from '../compile/kernel-signatures.js';
import type { Precision } from '../precision.js';
import type { ExternalTable } from '../state/external-tables.js';
import { EXTERNAL_BASE } from '../state/memory-plan.js';
import { BEGIN } from './begin.js';
import type { Instance, Kernels, Shares } from './kernels.js';
import { familyIndex, openAddon, type NativeKernels } from './native/addon.js';
import { stagedKernels } from './staged.js';

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

/** Instantiates the kernels on a memory and on tables in their own memory, natively if possible. */
export function instantiate(
  { module, native }: KernelModule,
  memory: WebAssembly.Memory,
  external: readonly ExternalTable[] = [],
): Instance {
  return 'reason' in native ? instantiateWasm(module, memory, external) : instantiateNative(native, memory, external);
}

type Exports = Kernels & Shares & Pick<Instance, 'run'> & { heapBase(): number };

/** Instantiates the WebAssembly kernels. */
export function instantiateWasm(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  external: readonly ExternalTable[] = [],
): Instance {
  const { run, heapBase, shareBegin, shareEnd, ...kernels } = new WebAssembly.Instance(module, { env: { memory } })
    .exports as unknown as Exports;
  if (heapBase() > BEGIN) throw new Error('the kernels need more memory of their own');
  return {
    kernels: stagedKernels(kernels, { shareBegin, shareEnd }, memory, external, () => {
      const own = createMemory(BEGIN);
      return { kernels: instantiateWasm(module, own).kernels, memory: own };
    }),
    // WebAssembly returns signed integers.
    run: (from, to) => run(from, to) >>> 0,
    reach: (table) => (table < EXTERNAL_BASE ? table : undefined),
  };
}

/** Attaches the native kernels to a memory; tables in their own memory are addressed relative to it. */
export function instantiateNative(
  { path, family }: NativeKernels,
  memory: WebAssembly.Memory,
  external: readonly ExternalTable[] = [],
): Instance {
  const addon = openAddon(path);
  const index = familyIndex(addon, family);
  const bytes = new Uint8Array(memory.buffer);
  const begin = addon.addressOf(bytes);
  addon.useHugePages(bytes);
  const tables = external.map(({ at, floats }) => {
    addon.useHugePages(floats);
    return { at, end: at + floats.byteLength, shift: addon.addressOf(floats) - begin - at };
  });
  const reach = (table: number): number => {
    const own = table < EXTERNAL_BASE ? undefined : tables.find(({ at, end }) => table >= at && table < end);
    return table + (own?.shift ?? 0);
  };
  const kernels = Object.entries(SIGNATURES).map(([name, parameters], kernel) => {
    const tableAt = Object.keys(parameters).indexOf('table');
    // V8 creates no array for arguments that are only passed on.
    const call = (...args: number[]): void => addon.call(index, begin, kernel, ...args);
    const callWithTable = (...args: number[]): void => {
      args[tableAt] = reach(args[tableAt]!);
      addon.call(index, begin, kernel, ...args);
    };
    return [name, tableAt < 0 ? call : callWithTable] as const;
  });
  return {
    kernels: Object.fromEntries(kernels) as Kernels, // one for each signature
    run: (from, to) => addon.run(index, begin, from, to),
    reach,
  };
}
