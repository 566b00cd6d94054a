import { createRequire } from 'node:module';
import { randomStream } from '../../../random.js';
import type { Kernels } from '../kernels.js';
import { attach, type Addon } from './attach.js';
import { buildAddon } from './build.js';

/** Which native kernels are used; of texts alone, so that workers can be told. */
export interface NativeKernels {
  readonly path: string;
  readonly family: string;
}

/** The addon of a file that was built. */
export function openAddon(path: string): Addon {
  return createRequire(import.meta.url)(path) as Addon; // what addon.c gives
}

/** The fastest native kernels of this machine, or why none is used; they are built where they are not there yet. */
export function findNative(instantiate: (memory: WebAssembly.Memory) => Kernels, isInsistent: boolean): NativeKernels | { readonly reason: string } {
  const built = buildAddon({ isInsistent });
  if ('reason' in built) return built;
  try {
    const addon = openAddon(built.path);
    const [family] = addon.families();
    if (family === undefined) return { reason: 'this processor does not fuse multiplications and additions of vectors' };
    if (!hasSameBits(addon, family, instantiate)) return { reason: `the compiler made kernels of other bits than WebAssembly's (${built.path})` };
    return { path: built.path, family };
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}

/** Sizes that end within tiles, blocks and panels. */
const TRIED = { rows: 141, inputs: 41, panels: 7 };

/** Whether products have the bits of WebAssembly's on this processor: a last look before a run trusts a compiler that nobody has seen. */
export function hasSameBits(addon: Addon, family: string, instantiate: (memory: WebAssembly.Memory) => Kernels): boolean {
  const { rows, inputs, panels } = TRIED;
  const columns = panels * 8;
  const results = [false, true].map((isNative) => {
    const memory = new WebAssembly.Memory({ initial: 8, maximum: 8, shared: true });
    const kernels = isNative ? attach(instantiate(memory), addon, family, memory) : instantiate(memory);
    const floats = new Float32Array(memory.buffer);
    const random = randomStream(0, 'native');
    const x = kernels.heapBase();
    const [weights, y] = [x + rows * inputs * 4, x + (rows + columns) * inputs * 4];
    for (let i = x / 4; i < y / 4; i++) floats[i] = random.uniform() - 0.5;
    kernels.join(0, 1, 0);
    kernels.gemm(x, inputs, weights, weights, y, columns, rows, inputs, panels, 0);
    kernels.gemmGradient(x, inputs, y, columns, weights, rows, inputs, panels, 1);
    return Buffer.from(memory.buffer);
  });
  return results[0]!.equals(results[1]!);
}
