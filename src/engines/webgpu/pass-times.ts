import { WORD } from '../compile/buffers.js';
import type { Gpu } from './adapter.js';

/** The feature of a device that measures passes. */
export const TIMES = 'timestamp-query';

/** Device time of one dispatch, with the names of its kernels. */
export interface DispatchTime {
  readonly kernels: readonly string[];
  readonly ms: number;
}

/** The times of passes with one dispatch each, for measurements. */
export interface PassTimes {
  /** Returns the descriptor of the next dispatch's pass. */
  next(kernels: readonly string[]): GPUComputePassDescriptor;
  /** Encodes copies of all times, after the last pass. */
  finish(encoder: GPUCommandEncoder): void;
  /**
   * Reads the times, once the commands are submitted.
   * @throws UserError (device)
   */
  read(): Promise<readonly DispatchTime[]>;
  dispose(): void;
}

/** A time is 64 bits, in nanoseconds. */
const TIME_WORDS = 2;

/** Creates the times of up to `most` passes on a device that has `TIMES`. */
export function createPassTimes(gpu: Gpu, most: number): PassTimes {
  const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = gpu.usage;
  const querySet = gpu.device.createQuerySet({ type: 'timestamp', count: 2 * most });
  const bytes = 2 * most * TIME_WORDS * WORD;
  const resolved = gpu.createBuffer(bytes, QUERY_RESOLVE | COPY_SRC);
  const staging = gpu.createBuffer(bytes, MAP_READ | COPY_DST);
  // Dawn's device without a backend copies nothing: no pass takes time there.
  gpu.device.queue.writeBuffer(staging, 0, new Uint32Array(bytes / WORD));
  const named: (readonly string[])[] = [];
  return {
    next(kernels) {
      const at = 2 * named.length;
      named.push(kernels);
      return { timestampWrites: { querySet, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 } };
    },
    finish(encoder) {
      encoder.resolveQuerySet(querySet, 0, 2 * named.length, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, staging, 0, 2 * named.length * TIME_WORDS * WORD);
    },
    async read() {
      const times: DispatchTime[] = [];
      await gpu.read(staging, 2 * named.length * TIME_WORDS * WORD, (words) => {
        const low = (i: number): number => words[TIME_WORDS * i]!;
        const high = (i: number): number => words[TIME_WORDS * i + 1]!;
        for (const [d, kernels] of named.entries())
          times.push({ kernels, ms: ((high(2 * d + 1) - high(2 * d)) * 2 ** 32 + low(2 * d + 1) - low(2 * d)) / 1e6 });
      });
      return times;
    },
    dispose() {
      querySet.destroy();
      resolved.destroy();
      staging.destroy();
    },
  };
}
