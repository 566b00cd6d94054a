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

/** Copies between a device and an image of its memory on the host. */
export interface Transfers {
  /** Returns a range as a piece that goes to the image. */
  pieceOf(range: Range): Piece;
  /** Encodes copies of pieces, submits, and waits until they are received. */
  take(encoder: GPUCommandEncoder, pieces: readonly Piece[]): Promise<void>;
  read(ranges: readonly Range[]): Promise<void>;
  readTables(): Promise<void>;
  write(ranges: readonly Range[]): void;
  writeTables(): void;
  dispose(): void;
}

/** Maximum bytes of tables per copy. */
const PIECE_BYTES = 1 << 26;

/** Rows of a table: the first word in the device buffer and in the image, and their number of words. */
interface TablePiece {
  readonly buffer: number;
  readonly at: number;
  readonly imageAt: number;
  readonly words: number;
}

function* tablePieces({ tableParts }: DeviceMemory, { wordAt }: Image): Generator<TablePiece> {
  for (const { table, buffer, at, rowBegin, rowEnd } of tableParts) {
    const first = wordAt(table.at);
    const rowsAtOnce = Math.max(1, Math.floor(PIECE_BYTES / WORD / table.stride));
    for (let row = rowBegin; row < rowEnd; row += rowsAtOnce) {
      yield {
        buffer,
        at: at + (row - rowBegin) * table.stride,
        imageAt: first + row * table.stride,
        words: Math.min(rowsAtOnce, rowEnd - row) * table.stride,
      };
    }
  }
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
    async readTables() {
      for (const { buffer, at, imageAt, words: count } of tablePieces(memory, image)) {
        const into = (found: Uint32Array): void => words.set(found, imageAt);
        await take(gpu.device.createCommandEncoder(), [{ from: buffers.tables[buffer]!, at, words: count, into }]);
      }
    },
    write(ranges) {
      for (const { at, words: count } of ranges)
        queue.writeBuffer(buffers.memory, memory.wordAt(at) * WORD, words, wordAt(at), count);
    },
    writeTables() {
      for (const { buffer, at, imageAt, words: count } of tablePieces(memory, image))
        queue.writeBuffer(buffers.tables[buffer]!, at * WORD, words, imageAt, count);
    },
    dispose: () => staging.destroy(),
  };
}
