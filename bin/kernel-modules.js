// AssemblyScript kernel modules and their compiler options.
import { join } from 'node:path';

const FLAGS = ['-O3', '--noAssert', '--runtime', 'stub', '--importMemory'];
const SHARED = ['--sharedMemory', '--maximumMemory', '65536'];

/** Source (relative to src/kernels) and compiler options by module name. */
export const KERNEL_MODULES = {
  kernels: ['index.ts', ...SHARED, '--enable', 'simd,threads,bulk-memory'],
  'kernels-relaxed': ['index.ts', ...SHARED, '--enable', 'simd,threads,bulk-memory,relaxed-simd'],
  cells: ['cells/index.ts', '--enable', 'simd,bulk-memory'],
  lines: ['lines/index.ts', ...SHARED, '--enable', 'simd,threads,bulk-memory'],
  rows: ['rows/index.ts', ...SHARED, '--enable', 'simd,threads,bulk-memory'],
};

/** Returns the arguments of Node that compile a module from the root of the clone. */
export function compileArguments(name, into) {
  const [source, ...options] = KERNEL_MODULES[name];
  return ['node_modules/assemblyscript/bin/asc.js', join('src', 'kernels', source), ...FLAGS, ...options, '-o', into];
}
