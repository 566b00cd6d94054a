import { fileURLToPath } from 'node:url';
import { probeGpu, type GpuProbe } from '../engines/tfjs/probe.js';
import type { Health, HealthCheck } from './health.js';

/** Whether TensorFlow finds a CUDA GPU, and which library it misses. */
export const cuda: HealthCheck = {
  name: 'CUDA',
  look: () => healthOf(probeGpu(fileURLToPath(new URL('../..', import.meta.url)))),
};

/** The same for what a probe found. */
export function healthOf({ state, reason, missing }: GpuProbe): Health {
  const cpu = 'everything works on the CPU without it';
  const libraries = missing.length === 0 ? '' : `: ${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing`;
  const cuda = `install CUDA 11.2 or later of version 11, with cuDNN 8, and put their folder on LD_LIBRARY_PATH${missing.length === 0 ? '; nvidia-smi shows whether the driver sees the GPU' : ''}`;
  switch (state) {
    case 'ready':
      return { state: 'ok', message: 'TensorFlow on a CUDA GPU (--device cuda)' };
    case 'without a GPU':
      return { state: 'without', message: `TensorFlow loads and sees no CUDA GPU${libraries}; ${cpu}`, fix: cuda };
    case 'broken':
      return { state: 'without', message: `TensorFlow's native package does not load (${reason ?? 'no reason given'})${libraries}; ${cpu}`, fix: missing.length > 0 ? cuda : 'install it anew, with the compiler that its addon is built by (npm rebuild tells what fails)' };
    case 'absent':
      return { state: 'without', message: `TensorFlow's native package is not installed; ${cpu}`, fix: 'npm install with its optional dependencies' };
  }
}
