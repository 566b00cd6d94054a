import { WORD } from '../compile/buffers.js';
import type { Gpu } from './adapter.js';
import type { DeviceMemory } from './memory.js';

/** The storage buffers of a program on a device. */
export interface DeviceBuffers {
  /** All memory except rows of tables. */
  readonly memory: GPUBuffer;
  readonly tables: readonly GPUBuffer[];
  /** Items of bags and index lists. */
  readonly items: GPUBuffer;
  /** The first word is 1 once a step is refused. */
  readonly flags: GPUBuffer;
  /** Returns the buffers of the storage bindings, in order. */
  bindings(tableBuffer: number): readonly GPUBuffer[];
  /** Ensures sizes in words; returns whether a buffer was replaced, with undefined content. */
  reserve(itemWords: number, scratchWords: number): boolean;
  create(words: number, usage: number): GPUBuffer;
  dispose(): void;
}

/** Creates the storage buffers of a program. */
export function createDeviceBuffers(gpu: Gpu, { words, tableBuffers }: DeviceMemory): DeviceBuffers {
  const { STORAGE, COPY_SRC, COPY_DST } = gpu.usage;
  const create = (size: number, usage: number): GPUBuffer => gpu.createBuffer(Math.max(size, 4) * WORD, usage);
  const memory = create(words, STORAGE | COPY_SRC | COPY_DST);
  const tables = tableBuffers.map((size) => create(size, STORAGE | COPY_SRC | COPY_DST));
  const flags = create(4, STORAGE | COPY_SRC | COPY_DST);
  let items = create(1, STORAGE | COPY_DST);
  let scratch = create(1, STORAGE);
  return {
    memory,
    tables,
    flags,
    get items() {
      return items;
    },
    bindings: (tableBuffer) => [memory, tables[tableBuffer]!, items, scratch, flags],
    reserve(itemWords, scratchWords) {
      const before = [items, scratch];
      items = enlarge(items, itemWords, (size) => create(size, STORAGE | COPY_DST));
      scratch = enlarge(scratch, scratchWords, (size) => create(size, STORAGE));
      return items !== before[0] || scratch !== before[1];
    },
    create,
    dispose() {
      for (const buffer of [memory, ...tables, flags, items, scratch]) buffer.destroy();
    },
  };
}

/** Returns a buffer with at least `words` words: the given one, or a new one with some more. */
export function enlarge(buffer: GPUBuffer, words: number, create: (words: number) => GPUBuffer): GPUBuffer {
  if (buffer.size >= words * WORD) return buffer;
  buffer.destroy();
  return create(Math.ceil(words * 1.5));
}
