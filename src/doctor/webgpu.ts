import { openGpu, type AboutGpu, type Gpu, type NoGpu } from '../engines/webgpu/adapter.js';
import type { Health, HealthCheck } from './health.js';

/** Whether WebGPU finds a GPU, and which. */
export const webgpu: HealthCheck = {
  name: 'WebGPU',
  look: async () => healthOf(await openGpu()),
};

/** The same for what was found. */
export function healthOf(found: Pick<Gpu, 'about'> | NoGpu): Health {
  const cpu = 'everything works on the CPU without it';
  if ('reason' in found) return { state: 'without', message: `${found.reason}; ${cpu}`, fix: found.fix };
  const { about } = found;
  if (about.isSoftware)
    return {
      state: 'without',
      message: `its only adapter computes on the CPU: ${described(about)}; ${cpu}`,
      fix: 'install the driver of the GPU with Vulkan, where there is one',
    };
  return { state: 'ok', message: `${described(about)} (--device webgpu)` };
}

function described({ name, driver, maxBufferBytes, maxBindingBytes }: AboutGpu): string {
  return `${name}${driver === '' ? '' : `, ${driver}`}, buffers of ${mebibytes(Math.min(maxBufferBytes, maxBindingBytes))}`;
}

const mebibytes = (bytes: number): string => `${Math.floor(bytes / 2 ** 20)} MiB`;
