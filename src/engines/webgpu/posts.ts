import { WORD } from '../compile/buffers.js';
import type { Compiled } from '../compile/compile.js';
import type { Gpu } from './adapter.js';
import type { DeviceBuffers } from './device-buffers.js';
import type { DeviceMemory } from './memory.js';

/** Posts of a group, which are read together. */
export const POSTS = 16;
const GROUPS = 2;
/** Place of running statistics before a step that is not posted. */
const NO_POST = GROUPS * POSTS;
/** Words of the flags, after a post's results. */
const FLAG_WORDS = 4;

/**
 * Results of posted steps, which stay on the device until they are read together, and running statistics before each
 * posted step. A post is a number below `GROUPS · POSTS`.
 */
export interface Posts {
  readonly bytes: number;
  /** Encodes a copy of running statistics, or restores that copy. */
  keepRunning(encoder: GPUCommandEncoder, post?: number): void;
  restoreRunning(encoder: GPUCommandEncoder, post?: number): void;
  /** Encodes a copy of a step's results and flags. */
  keepResults(encoder: GPUCommandEncoder, post: number): void;
  /** Reads the results of the first posts of a group, one after the other. */
  read(
    group: number,
    count: number,
    visit: (results: Uint32Array, isRefused: boolean, i: number) => void,
  ): Promise<void>;
  dispose(): void;
}

/** Creates the buffers of posts. */
export function createPosts(gpu: Gpu, { places }: Compiled, memory: DeviceMemory, buffers: DeviceBuffers): Posts {
  const { COPY_SRC, COPY_DST, MAP_READ } = gpu.usage;
  const { download } = memory;
  const words = download.words + FLAG_WORDS;
  const runningBytes = places.runningCount * WORD;
  const runningAt = memory.wordAt(places.running) * WORD;
  const kept = buffers.create(places.runningCount * (NO_POST + 1), COPY_SRC | COPY_DST);
  const staging = Array.from({ length: GROUPS }, () => buffers.create(POSTS * words, MAP_READ | COPY_DST));
  // Dawn's device without a backend (backend=null) copies nothing: there no step is refused.
  for (const buffer of staging) gpu.device.queue.writeBuffer(buffer, 0, new Uint32Array(POSTS * words));
  return {
    bytes: words * WORD,
    keepRunning(encoder, post = NO_POST) {
      if (runningBytes > 0)
        encoder.copyBufferToBuffer(buffers.memory, runningAt, kept, post * runningBytes, runningBytes);
    },
    restoreRunning(encoder, post = NO_POST) {
      if (runningBytes > 0)
        encoder.copyBufferToBuffer(kept, post * runningBytes, buffers.memory, runningAt, runningBytes);
    },
    keepResults(encoder, post) {
      const into = staging[Math.floor(post / POSTS)]!;
      const at = (post % POSTS) * words;
      encoder.copyBufferToBuffer(buffers.memory, download.at * WORD, into, at * WORD, download.words * WORD);
      encoder.copyBufferToBuffer(buffers.flags, 0, into, (at + download.words) * WORD, FLAG_WORDS * WORD);
    },
    read: (group, count, visit) =>
      gpu.read(staging[group]!, count * words * WORD, (all) => {
        for (let i = 0; i < count; i++) {
          const found = all.subarray(i * words, (i + 1) * words);
          visit(found, found[download.words] !== 0, i);
        }
      }),
    dispose() {
      for (const buffer of [kept, ...staging]) buffer.destroy();
    },
  };
}
