import { openGpu, type AboutGpu, type Gpu, type NoGpu } from '../engines/webgpu/adapter.js';
import type { Health, HealthCheck } from './health.js';

/** Checks whether WebGPU finds a GPU. */
export const webgpu: HealthCheck = {
  name: 'WebGPU',
  look: async () => describeHealth(await openGpu()),
};

/** Describes the GPU that was found, or the reason for none. */
export function describeHealth(found: Pick<Gpu, 'about'> | NoGpu): Health {
  const cpu = 'optional: everything runs on the CPU';
  if ('reason' in found) return { state: 'without', message: `${found.reason}; ${cpu}`, fix: found.fix };
  const { about } = found;
  if (about.isSoftware)
    return {
      state: 'without',
      message: `the only adapter is a software one on the CPU: ${formatGpu(about)}; ${cpu}`,
      fix: 'if there is a GPU, install its driver with Vulkan',
    };
  return { state: 'ok', message: `${formatGpu(about)} (--device webgpu)` };
}

function formatGpu({ name, driver, maxBufferBytes, maxBindingBytes }: AboutGpu): string {
  return (
    `${name}${driver === '' ? '' : `, ${driver}`}, buffers of ` + mebibytes(Math.min(maxBufferBytes, maxBindingBytes))
  );
}

const mebibytes = (bytes: number): string => `${Math.floor(bytes / 2 ** 20)} MiB`;
