import { nativeHome } from '../engines/tfjs/binding.js';
import { probeGpu, type GpuProbe } from '../engines/tfjs/probe.js';
import type { Health, HealthCheck } from './health.js';
import { MTL } from '../system/command-name.js';

/** Checks whether TensorFlow finds a CUDA GPU, and which libraries are missing. */
export const cuda: HealthCheck = {
  name: 'CUDA',
  look: () => describeHealth(probeGpu(nativeHome())),
};

/** Describes the result of a probe. */
export function describeHealth({ state, reason, missing }: GpuProbe): Health {
  const cpu = 'optional: everything runs on the CPU';
  const libraries = missing.length === 0 ? '' : `: missing ${missing.join(', ')}`;
  const setUp = `run ${MTL} setup cuda, which downloads TensorFlow with CUDA`;
  switch (state) {
    case 'ready':
      return { state: 'ok', message: 'TensorFlow on a CUDA GPU (--device cuda)' };
    case 'without a GPU':
      return {
        state: 'without',
        message: `TensorFlow loads but finds no CUDA GPU${libraries}; ${cpu}`,
        fix:
          missing.length > 0
            ? `${setUp}; install the driver with the system's package manager`
            : 'check the driver with nvidia-smi',
      };
    case 'broken':
      return {
        state: 'without',
        message: `TensorFlow's native package does not load (${reason ?? 'no reason given'})${libraries}; ${cpu}`,
        fix: setUp,
      };
    case 'absent':
      return { state: 'without', message: `TensorFlow's native package is not installed; ${cpu}`, fix: setUp };
  }
}
