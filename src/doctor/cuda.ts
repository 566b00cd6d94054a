import { nativeHome } from '../engines/tfjs/binding.js';
import { probeGpu, type GpuProbe } from '../engines/tfjs/probe.js';
import type { Health, HealthCheck } from './health.js';

/** Whether TensorFlow finds a CUDA GPU, and which library it misses. */
export const cuda: HealthCheck = {
  name: 'CUDA',
  look: () => describeHealth(probeGpu(nativeHome())),
};

/** The same for what a probe found. */
export function describeHealth({ state, reason, missing }: GpuProbe): Health {
  const cpu = 'everything works on the CPU without it';
  const libraries =
    missing.length === 0 ? '' : `: ${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing`;
  const setUp = 'npx mtl setup-cuda fetches TensorFlow with the CUDA that it needs';
  switch (state) {
    case 'ready':
      return { state: 'ok', message: 'TensorFlow on a CUDA GPU (--device cuda)' };
    case 'without a GPU':
      return {
        state: 'without',
        message: `TensorFlow loads and sees no CUDA GPU${libraries}; ${cpu}`,
        fix:
          missing.length > 0
            ? `${setUp}; the driver is the system's own`
            : 'nvidia-smi shows whether the driver sees the GPU',
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
