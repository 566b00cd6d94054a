import type { Engine } from '../engine.js';
import { loadKernels, MAX_BYTES } from './module.js';
import { activationBytes, compileProgram } from './program.js';
import type { TeamWatch } from './team.js';

/**
 * The engine of WebAssembly kernels.
 * @param threads workers that share a step
 * @param allowRelaxed false keeps to plain SIMD, whose results are the same on every machine
 */
export function createSimdEngine(threads = 1, allowRelaxed = true, watch: TeamWatch = {}): Engine {
  const kernels = loadKernels(allowRelaxed);
  const description = `WebAssembly SIMD${kernels.isRelaxed ? ' with fused multiply-add' : ''}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`;
  return { name: 'simd', description, compile: (plan, onNotice) => compileProgram(kernels, plan, threads, { ...watch, ...(onNotice && { onNotice }) }), activationBytes, maxBytes: MAX_BYTES };
}
