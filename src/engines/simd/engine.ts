import type { Engine } from '../engine.js';
import { kernelChoice } from '../kernel-choice.js';
import { loadKernels, MAX_BYTES } from './module.js';
import { activationBytes, apartBytes, compileProgram } from './program.js';
import type { TeamWatch } from './team.js';

/**
 * The engine of WebAssembly kernels, some in a native form where there is one.
 * @param threads workers that share a step
 * @param allowRelaxed false keeps to plain SIMD, whose results are the same on every machine
 * @param choice which kernels do what native ones could do
 */
export function createSimdEngine(threads = 1, allowRelaxed = true, watch: TeamWatch = {}, choice = kernelChoice()): Engine {
  const kernels = loadKernels(allowRelaxed, choice);
  const native = 'reason' in kernels.native ? '' : `, native kernels for ${kernels.native.family}${kernels.native.noBf16 === undefined ? ' with BF16' : ''}`;
  const description = `WebAssembly SIMD${kernels.isRelaxed ? ' with fused multiply-add' : ''}${native}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`;
  return { name: 'simd', description, compile: (plan, onNotice) => compileProgram(kernels, plan, threads, { ...watch, ...(onNotice && { onNotice }) }), activationBytes, apartBytes, maxBytes: MAX_BYTES, takesPeers: true, precisions: ['f32', 'bf16'] };
}
