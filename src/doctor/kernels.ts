import { createSimdEngine } from '../engines/simd/engine.js';
import type { HealthCheck } from './health.js';

/** Whether the kernels of the default engine load, and which of their builds. */
export const kernels: HealthCheck = {
  name: 'kernels',
  look() {
    try {
      return { state: 'ok', message: createSimdEngine().description.replace(/, \d+ threads?$/, '') };
    } catch (error) {
      return { state: 'wrong', message: error instanceof Error ? error.message : String(error), fix: 'install mtl anew, or in a clone run npm run build' };
    }
  },
};
