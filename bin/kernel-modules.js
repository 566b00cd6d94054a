// The modules of AssemblyScript kernels, and how each is compiled.
import { join } from 'node:path';

const FLAGS = ['-O3', '--noAssert', '--runtime', 'stub', '--importMemory'];
const SHARED = ['--sharedMemory', '--maximumMemory', '65536'];

/** By name: the source of a module, below src/kernels, and what it is compiled with. */
export const KERNEL_MODULES = {
  kernels: ['index.ts', ...SHARED, '--enable', 'simd,threads,bulk-memory'],
  'kernels-relaxed': ['index.ts', ...SHARED, '--enable', 'simd,threads,bulk-memory,relaxed-simd'],
  cells: ['cells/index.ts', '--enable', 'simd,bulk-memory'],
  lines: ['lines/index.ts', ...SHARED, '--enable', 'simd,threads,bulk-memory'],
  rows: ['rows/index.ts', ...SHARED, '--enable', 'simd,threads,bulk-memory'],
};

/** Arguments of Node that compile a module, in the root of a clone. */
export function compileArguments(name, into) {
  const [source, ...options] = KERNEL_MODULES[name];
  return ['node_modules/assemblyscript/bin/asc.js', join('src', 'kernels', source), ...FLAGS, ...options, '-o', into];
}
