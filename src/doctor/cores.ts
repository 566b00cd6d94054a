import os from 'node:os';
import type { HealthCheck } from './health.js';

const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

/** Reports cores and memory, and how much of them this process may use. */
export const cores: HealthCheck = {
  name: 'machine',
  look() {
    const limit = process.constrainedMemory();
    const isLimited = limit > 0 && limit < os.totalmem();
    return {
      state: 'ok',
      message:
        `${os.availableParallelism()} of ${os.cpus().length} cores ` +
        `(${os.cpus()[0]?.model.trim() ?? 'unknown'}), ${gibibytes(os.totalmem())} of memory, ` +
        `${gibibytes(os.freemem())} free${isLimited ? `, ${gibibytes(limit)} allowed` : ''}`,
    };
  },
};
