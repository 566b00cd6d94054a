import { cpuHosts } from '../../src/engines/cpu/host.js';
import type { Engine } from '../../src/engines/engine.js';
import { createTfjsEngine as createOn } from '../../src/engines/tfjs/engine.js';

/** Creates the engine on TensorFlow.js's CPU backend, with tables and optimizers in the memory of the kernels. */
export function createTfjsEngine(): Promise<Engine> {
  return createOn(cpuHosts);
}
