import { userError } from '../../core/errors.js';
import { readKernels } from '../../io/kernel-module.js';
import { allowRelaxedSimd } from '../../system/relaxed-simd.js';
import { kernelChoice, type KernelChoice } from '../kernel-choice.js';
import { reportKernels } from '../kernel-report.js';
import type { KernelModule } from './module.js';
import { findNative } from './native/find.js';

/**
 * Compiles the kernels, with relaxed SIMD if this Node supports it. Native kernels, which are bitwise identical, run
 * instead if available.
 * @param allowRelaxed false selects the plain build, without native kernels
 * @param choice native or WebAssembly kernels
 * @throws UserError (usage) if native kernels are required and unavailable
 */
export function loadKernels(allowRelaxed = true, choice = kernelChoice()): KernelModule {
  if (allowRelaxed) {
    allowRelaxedSimd();
    try {
      const bytes = readKernels('kernels-relaxed');
      const module = new WebAssembly.Module(bytes);
      return { module, isRelaxed: true, native: chooseNative(bytes, module, choice) };
    } catch (error) {
      if (!(error instanceof WebAssembly.CompileError)) throw error;
    }
  }
  const native = { reason: 'without fused multiply-add, results are not bitwise identical', isChosen: true };
  return { module: new WebAssembly.Module(readKernels('kernels')), isRelaxed: false, native };
}

/** Training time with WebAssembly over that with native kernels: docs/benchmarks/training-speed.md. */
const SLOWDOWN = '1.3 to 2.5 times';

/** The result of the search for native kernels, constant for the life of a process. */
let found: KernelModule['native'] | undefined;

function chooseNative(bytes: Buffer, module: WebAssembly.Module, choice: KernelChoice): KernelModule['native'] {
  if (choice === 'wasm') return { reason: 'WebAssembly kernels were requested', isChosen: true };
  found ??= searchNative(bytes, module, choice === 'native');
  if (choice === 'native' && 'reason' in found) {
    const fix = `${found.fix === undefined ? '' : `${found.fix}, or `}remove --kernels and MTL_KERNELS`;
    throw userError('usage', { where: 'native kernels', message: found.reason, fix });
  }
  return found;
}

/** Searches native kernels, and reports an unused package and the lack of native kernels. */
function searchNative(wasm: Buffer, module: WebAssembly.Module, isInsistent: boolean): KernelModule['native'] {
  const native = findNative({ wasm, module, isInsistent, onRefused: reportKernels });
  // An insistent search ends with an error instead.
  if ('reason' in native && !isInsistent)
    reportKernels(
      `WebAssembly kernels run, ${SLOWDOWN} slower than native ones: ${native.reason}` +
        (native.fix === undefined ? '' : `; ${native.fix}`),
    );
  return native;
}
