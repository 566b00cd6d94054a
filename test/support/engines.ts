import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { createTfjsEngine } from './tfjs.js';
import type { Engine } from '../../src/engines/engine.js';
import { webGpuEngines } from './webgpu.js';

/** Every engine on one thread: both builds of the kernels, and WebGPU if there is a device. */
export const engines: readonly { readonly name: string; readonly create: () => Promise<Engine> }[] = [
  { name: 'tfjs', create: () => createTfjsEngine() },
  { name: 'simd', create: () => Promise.resolve(createCpuEngine()) },
  { name: 'plain simd', create: () => Promise.resolve(createCpuEngine(1, false)) },
  ...webGpuEngines.map(([name, create]) => ({ name, create })),
];
