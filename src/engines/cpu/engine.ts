import { TABLE_FORMATS } from '../../tables/row-formats.js';
import { compile, type Compiled } from '../compile/compile.js';
import type { Engine, Plan } from '../engine.js';
import { kernelChoice } from '../kernel-choice.js';
import { activationBytes, createProgram, externalBytes } from './create-program.js';
import { loadKernels } from './load-kernels.js';
import { MAX_BYTES, type KernelModule } from './module.js';
import { Threads, type TeamWatch } from './team.js';

/**
 * Creates the engine whose kernels are native, or WebAssembly.
 * @param threads workers that share a step
 * @param allowRelaxed false uses only plain SIMD, whose results are the same on every machine
 * @param choice native or WebAssembly kernels
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
  /** Plans that were compiled to compute their size; most of them run next. */
  const sized = new WeakMap<Plan, Compiled>();
  const compileForSize = (plan: Plan): Compiled => {
    const compiled = sized.get(plan) ?? compile(plan);
    sized.set(plan, compiled);
    return compiled;
  };
  const start: Engine['compile'] = (plan, onWarning) => {
    const compiled = sized.get(plan) ?? compile(plan);
    // Its buffers belong to this program.
    sized.delete(plan);
    const team = { ...watch, ...(onWarning && { onWarning }), started };
    // A second program has its own threads.
    started = undefined;
    return createProgram(kernels, compiled, threads, team);
  };
  return {
    name: 'simd',
    description,
    startAhead,
    compile: start,
    activationBytes: (plan) => activationBytes(compileForSize(plan)),
    externalBytes: (plan) => externalBytes(compileForSize(plan)),
    maxBytes: MAX_BYTES,
    takesPeers: true,
    precisions: ['f32', 'bf16'],
    predictionPrecisions: ['f32', 'bf16'],
    tableFormats: TABLE_FORMATS,
  };
}

/** Describes the running kernels, and why none are native unless that was requested. */
function describeKernels({ isRelaxed, native }: KernelModule): string {
  if (!('reason' in native)) return `native kernels for ${native.family.replace('-BF16', ' with BF16')}`;
  const wasm = `WebAssembly SIMD${isRelaxed ? ' with fused multiply-add' : ''}`;
  return native.isChosen === true ? wasm : `${wasm} (without native kernels: ${native.reason})`;
}

/** Starts threads for the next program; after a failure, the program retries and reports it. */
function startedOrNone(kernels: KernelModule, threads: number): Threads | undefined {
  try {
    return new Threads(kernels, threads);
  } catch {
    return undefined;
  }
}
