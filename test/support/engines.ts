import { createSimdEngine } from '../../src/engines/simd/engine.js';
import { createTfjsEngine } from '../../src/engines/tfjs/engine.js';

/** Every engine on one thread; the kernels in both of their builds. */
export const engines = [
  { name: 'tfjs', create: () => createTfjsEngine() },
  { name: 'simd', create: () => Promise.resolve(createSimdEngine()) },
  { name: 'plain simd', create: () => Promise.resolve(createSimdEngine(1, false)) },
];
