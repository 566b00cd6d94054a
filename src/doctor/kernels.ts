import { createSimdEngine } from '../engines/simd/engine.js';
import { loadKernels } from '../engines/simd/load-kernels.js';
import type { HealthCheck } from './health.js';

/** Whether the kernels of the default engine load, which of their builds, and whether some are native. */
export const kernels: HealthCheck = {
  name: 'kernels',
  look() {
    try {
      const { native } = loadKernels();
      const message = createSimdEngine().description.replace(/, \d+ threads?$/, '');
      if (!('reason' in native)) return { state: 'ok', message };
      const why = native.isChosen === true ? ` (no native kernels: ${native.reason})` : '';
      const found = `${message}${why}; native ones are faster and come to the same results`;
      return { state: 'without', message: found, ...(native.fix !== undefined && { fix: native.fix }) };
    } catch (error) {
      return {
        state: 'wrong',
        message: error instanceof Error ? error.message : String(error),
        fix: 'install mtl anew, or in a clone run npm run build',
      };
    }
  },
};
