import type { Engine } from '../engine.js';
import { kernelChoice } from '../kernel-choice.js';
import { loadKernels } from './load-kernels.js';
import { MAX_BYTES, type KernelModule } from './module.js';
import { activationBytes, apartBytes, compileProgram } from './compile-program.js';
import { startThreads, type Threads, type TeamWatch } from './team.js';

/**
 * Creates the engine of WebAssembly kernels, some of which may be native.
 * @param threads workers that share a step
 * @param allowRelaxed false uses only plain SIMD, whose results are the same on every machine
 * @param choice kernels for operations that have a native one
 */
export function createCpuEngine(
  threads = 1,
  allowRelaxed = true,
  watch: TeamWatch = {},
  choice = kernelChoice(),
): Engine {
  const kernels = loadKernels(allowRelaxed, choice);
  let started: Threads | undefined;
  const description = `${describeKernels(kernels)}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`;
  const startAhead = (): (() => void) => {
    if (threads > 1) started ??= startedOrNone(kernels, threads);
    return () => {
      started?.end();
      started = undefined;
    };
  };
  const compile: Engine['compile'] = (plan, onWarning) => {
    const team = { ...watch, ...(onWarning && { onWarning }), started };
    // A second program has its own threads.
    started = undefined;
    return compileProgram(kernels, plan, threads, team);
  };
  return {
    name: 'simd',
    description,
    startAhead,
    compile,
    activationBytes,
    apartBytes,
    maxBytes: MAX_BYTES,
    takesPeers: true,
    precisions: ['f32', 'bf16'],
  };
}

/** Describes the running kernels, and why none are native unless that was requested. */
function describeKernels({ isRelaxed, native }: KernelModule): string {
  const wasm = `WebAssembly SIMD${isRelaxed ? ' with fused multiply-add' : ''}`;
  if ('reason' in native) return native.isChosen === true ? wasm : `${wasm} (without native kernels: ${native.reason})`;
  return `${wasm}, native kernels for ${native.family.replace('-BF16', ' with BF16')}`;
}

/** Starts threads for the next program; after a failure, the program retries and reports it. */
function startedOrNone(kernels: KernelModule, threads: number): Threads | undefined {
  try {
    return startThreads(kernels, threads);
  } catch {
    return undefined;
  }
}
