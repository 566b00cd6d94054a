import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onDiskSync } from '../../io/disk.js';

const BLOCK_BYTES = 1 << 22;
/** Maximum size of a row. */
export const MAX_ROW_WORDS = BLOCK_BYTES >> 2;

/** Bytes, also as words. */
export interface Memory {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
}

/** Allocates memory that is not shared with other objects. */
export function allocateMemory(numBytes: number): Memory {
  const buffer = new ArrayBuffer(numBytes);
  return { bytes: new Uint8Array(buffer), words: new Uint32Array(buffer) };
}

/** Returns memory of at least twice `numBytes` bytes that begins with the bytes of another one. */
export function growMemory({ bytes }: Memory, numBytes: number): Memory {
  const larger = allocateMemory(8 * Math.ceil(numBytes / 4));
  larger.bytes.set(bytes);
  return larger;
}

/** A block of rows: in memory, or at a place of the file. */
interface Block {
  memory: Memory | undefined;
  /** Place in the file. */
  at: number;
  /** Number of rows that were not removed. */
  rows: number;
}

/**
 * Rows of bytes in the order in which they were added, of which the oldest blocks are on disk if they would take more
 * memory than permitted. The file is removed when the process ends or `close` is called; it can be made again from the
 * logs.
 */
export class SpilledRows {
  readonly #maxBlocks: number;
  readonly #blocks = new Map<number, Block>();
  /** Places in the file of blocks that were removed. */
  readonly #free: number[] = [];
  #newest = -1;
  #used = BLOCK_BYTES;
  #inMemory = 0;
  /** Oldest block that may be in memory. */
  #oldest = 0;
  #file: { readonly folder: string; readonly descriptor: number; end: number } | undefined;
  /** The row that was read last from the file, at its place in the block. */
  #read: Memory | undefined;

  /** @param memoryBytes maximum memory */
  constructor(memoryBytes: number) {
    this.#maxBlocks = Math.max(2, Math.floor(memoryBytes / BLOCK_BYTES));
  }

  /** Number of bytes in memory. */
  get memoryBytes(): number {
    return this.#inMemory * BLOCK_BYTES;
  }

  /** Adds the first `numWords` words of a row of at most 4 MiB; returns its address. */
  add(words: Uint32Array, numWords: number): number {
    if (this.#used + 4 * numWords > BLOCK_BYTES) this.#startBlock();
    const block = this.#blocks.get(this.#newest)!;
    copyWords(words, 0, block.memory!.words, this.#used >> 2, numWords);
    block.rows++;
    const address = this.#newest * BLOCK_BYTES + this.#used;
    this.#used += 4 * numWords;
    return address;
  }

  /** Returns memory that has a row at `blockOffset` its address, until the next call. */
  memoryOf(address: number, numWords: number): Memory {
    const { memory, at } = this.#blocks.get(Math.floor(address / BLOCK_BYTES))!;
    if (memory !== undefined) return memory;
    this.#read ??= allocateMemory(BLOCK_BYTES);
    const offset = blockOffset(address);
    readSync(this.#file!.descriptor, this.#read.bytes, offset, 4 * numWords, at + offset);
    return this.#read;
  }

  /** Removes a row; a block without rows is used again. */
  remove(address: number): void {
    const number = Math.floor(address / BLOCK_BYTES);
    const block = this.#blocks.get(number)!;
    if (--block.rows > 0 || number === this.#newest) return;
    if (block.memory === undefined) this.#free.push(block.at);
    else this.#inMemory--;
    this.#blocks.delete(number);
  }

  close(): void {
    if (this.#file === undefined) return;
    closeSync(this.#file.descriptor);
    rmSync(this.#file.folder, { recursive: true, force: true });
    this.#file = undefined;
  }

  #startBlock(): void {
    while (this.#inMemory >= this.#maxBlocks) this.#spillOldest();
    this.#blocks.set(++this.#newest, { memory: allocateMemory(BLOCK_BYTES), at: -1, rows: 0 });
    this.#inMemory++;
    this.#used = 0;
  }

  /** Writes the oldest block in memory to the file. */
  #spillOldest(): void {
    while (this.#blocks.get(this.#oldest)?.memory === undefined) this.#oldest++;
    const block = this.#blocks.get(this.#oldest)!;
    const { bytes } = block.memory!;
    const file = (this.#file ??= onDiskSync(tmpdir(), createFile));
    block.at = this.#free.pop() ?? file.end;
    onDiskSync(file.folder, () => {
      for (let written = 0; written < BLOCK_BYTES;)
        written += writeSync(file.descriptor, bytes, written, BLOCK_BYTES - written, block.at + written);
    });
    file.end = Math.max(file.end, block.at + BLOCK_BYTES);
    block.memory = undefined;
    this.#inMemory--;
  }
}

/** Returns the offset of a row in the memory that has it. */
export function blockOffset(address: number): number {
  return address % BLOCK_BYTES;
}

/** Copies words; a loop is faster than `set` for short rows. */
export function copyWords(from: Uint32Array, begin: number, into: Uint32Array, at: number, numWords: number): void {
  for (let i = 0; i < numWords; i++) into[at + i] = from[begin + i]!;
}

function createFile(): { readonly folder: string; readonly descriptor: number; end: number } {
  const folder = mkdtempSync(join(tmpdir(), 'mtl-join-'));
  return { folder, descriptor: openSync(join(folder, 'rows'), 'wx+'), end: 0 };
}
