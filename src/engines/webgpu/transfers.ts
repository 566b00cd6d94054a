import { WORD, type Ref } from '../compile/buffers.js';
import type { Image } from '../state/image.js';
import type { Gpu } from './adapter.js';
import { enlarge, type DeviceBuffers } from './device-buffers.js';
import type { DeviceMemory } from './memory.js';

/** Consecutive words of a buffer. */
export interface Range {
  readonly at: Ref;
  readonly words: number;
}

/** Words of a device buffer, and a function that receives them. */
export interface Piece {
  readonly from: GPUBuffer;
  readonly at: number;
  readonly words: number;
  into(words: Uint32Array): void;
}

/** Copies between a device and an image of its memory on the host, except rows of tables. */
export interface Transfers {
  /** Returns a range as a piece that goes to the image. */
  pieceOf(range: Range): Piece;
  /** Encodes copies of pieces, submits, and waits until they are received. */
  take(encoder: GPUCommandEncoder, pieces: readonly Piece[]): Promise<void>;
  read(ranges: readonly Range[]): Promise<void>;
  write(ranges: readonly Range[]): void;
  dispose(): void;
}

/** Creates the transfers of a program. */
export function createTransfers(gpu: Gpu, memory: DeviceMemory, buffers: DeviceBuffers, image: Image): Transfers {
  const { words, wordAt } = image;
  const { queue } = gpu.device;
  const createStaging = (size: number): GPUBuffer => buffers.create(size, gpu.usage.MAP_READ | gpu.usage.COPY_DST);
  let staging = createStaging(memory.download.words + 4);
  const take: Transfers['take'] = async (encoder, pieces) => {
    const total = pieces.reduce((sum, piece) => sum + piece.words, 0);
    staging = enlarge(staging, total, createStaging);
    let end = 0;
    for (const { from, at, words: count } of pieces) {
      encoder.copyBufferToBuffer(from, at * WORD, staging, end * WORD, count * WORD);
      end += count;
    }
    gpu.submit(encoder);
    await gpu.read(staging, total * WORD, (all) => {
      let begin = 0;
      for (const { words: count, into } of pieces) {
        into(all.subarray(begin, begin + count));
        begin += count;
      }
    });
  };
  const pieceOf = ({ at, words: count }: Range): Piece => ({
    from: buffers.memory,
    at: memory.wordAt(at),
    words: count,
    into: (found) => words.set(found, wordAt(at)),
  });
  return {
    pieceOf,
    take,
    read: (ranges) => take(gpu.device.createCommandEncoder(), ranges.map(pieceOf)),
    write(ranges) {
      for (const { at, words: count } of ranges)
        queue.writeBuffer(buffers.memory, memory.wordAt(at) * WORD, words, wordAt(at), count);
    },
    dispose: () => staging.destroy(),
  };
}
