import { userError } from '../../core/errors.js';
import { readKernels } from '../../io/kernel-module.js';
import { allowRelaxedSimd } from '../../system/relaxed-simd.js';
import { kernelChoice, type KernelChoice } from '../kernel-choice.js';
import { reportKernels } from '../kernel-report.js';
import type { KernelModule } from './module.js';
import { findNative, type NativeSearch } from './native/find.js';

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

/**
 * Compiles the native kernels if necessary, unless others are requested. A process that runs for long calls it at its
 * start, since the kernels of a process never change: its threads and child processes find them too.
 */
export function waitForKernels(): void {
  if (kernelChoice() !== 'auto') return;
  const bytes = readKernels('kernels-relaxed');
  found ??= searchNative(bytes, new WebAssembly.Module(bytes), { isPatient: true, isInsistent: false });
}

function chooseNative(bytes: Buffer, module: WebAssembly.Module, choice: KernelChoice): KernelModule['native'] {
  if (choice === 'wasm') return { reason: 'WebAssembly kernels were requested', isChosen: true };
  const isNative = choice === 'native';
  found ??= searchNative(bytes, module, { isPatient: isNative, isInsistent: isNative });
  if (isNative && 'reason' in found) {
    const fix = `${found.fix === undefined ? '' : `${found.fix}, or `}remove --kernels and MTL_KERNELS`;
    throw userError('usage', { where: 'native kernels', message: found.reason, fix });
  }
  return found;
}

/** Searches native kernels, and reports an unused package, a compilation and the lack of native kernels. */
function searchNative(
  wasm: Buffer,
  module: WebAssembly.Module,
  how: Pick<NativeSearch, 'isPatient' | 'isInsistent'>,
): KernelModule['native'] {
  const onBuild = (): void => reportKernels('compiling native kernels, once per machine, for about a minute …');
  const native = findNative({ wasm, module, ...how, onBuild, onRefused: reportKernels });
  // An insistent search ends with an error instead.
  if ('reason' in native && !how.isInsistent)
    reportKernels(
      native.isPending === true
        ? 'compiling native kernels in the background; this run uses WebAssembly kernels, with identical results but ' +
            `${SLOWDOWN} slower (--kernels native waits for the compiler)`
        : `WebAssembly kernels run, ${SLOWDOWN} slower than native ones: ${native.reason}` +
            (native.fix === undefined ? '' : `; ${native.fix}`),
    );
  return native;
}
