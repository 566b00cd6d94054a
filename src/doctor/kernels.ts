import { createCpuEngine } from '../engines/cpu/engine.js';
import { loadKernels } from '../engines/cpu/load-kernels.js';
import type { HealthCheck } from './health.js';

/** Checks which CPU kernels load, and whether native ones are available. */
export const kernels: HealthCheck = {
  name: 'kernels',
  look() {
    try {
      const { native } = loadKernels();
      const message = createCpuEngine().description.replace(/, \d+ threads?$/, '');
      if (!('reason' in native))
        return {
          state: 'ok',
          message: native.packageName === undefined ? message : `${message}, from ${native.packageName}`,
        };
      const reason = native.isChosen === true ? ` (no native kernels: ${native.reason})` : '';
      const found = `${message}${reason}; native kernels are faster, with identical results`;
      return { state: 'without', message: found, ...(native.fix !== undefined && { fix: native.fix }) };
    } catch (error) {
      return {
        state: 'wrong',
        message: error instanceof Error ? error.message : String(error),
        fix: 'reinstall mtl, or run npm run build in a clone',
      };
    }
  },
};
