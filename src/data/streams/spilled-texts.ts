import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onDiskSync } from '../../io/disk.js';

/** Bytes per block. */
const BLOCK_BYTES = 1 << 22;

/** A block of texts: in memory, or at a place of the file. */
interface Block {
  bytes: Buffer | undefined;
  /** Place in the file. */
  at: number;
  /** Number of texts that were not removed. */
  texts: number;
}

/**
 * Texts in the order in which they were added, of which the oldest blocks are on disk if they would take more memory
 * than permitted. The file is removed when the process ends or `close` is called; it can be made again from the logs.
 */
export class SpilledTexts {
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

  /** @param memoryBytes maximum memory */
  constructor(memoryBytes: number) {
    this.#maxBlocks = Math.max(2, Math.floor(memoryBytes / BLOCK_BYTES));
  }

  /** Bytes in memory. */
  get memoryBytes(): number {
    return this.#inMemory * BLOCK_BYTES;
  }

  /** Adds a text of at most 4 MiB; returns its address. */
  add(text: Uint8Array): number {
    if (this.#used + text.length > BLOCK_BYTES) this.#startBlock();
    const block = this.#blocks.get(this.#newest)!;
    block.bytes!.set(text, this.#used);
    block.texts++;
    const address = this.#newest * BLOCK_BYTES + this.#used;
    this.#used += text.length;
    return address;
  }

  /** Reads a text. */
  read(address: number, length: number): string {
    const { bytes, at } = this.#blocks.get(Math.floor(address / BLOCK_BYTES))!;
    const offset = address % BLOCK_BYTES;
    if (bytes !== undefined) return bytes.toString('utf8', offset, offset + length);
    const text = Buffer.allocUnsafe(length);
    readSync(this.#file!.descriptor, text, 0, length, at + offset);
    return text.toString();
  }

  /** Removes a text; a block without texts is used again. */
  remove(address: number): void {
    const number = Math.floor(address / BLOCK_BYTES);
    const block = this.#blocks.get(number)!;
    if (--block.texts > 0 || number === this.#newest) return;
    if (block.bytes === undefined) this.#free.push(block.at);
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
    this.#blocks.set(++this.#newest, { bytes: Buffer.allocUnsafeSlow(BLOCK_BYTES), at: -1, texts: 0 });
    this.#inMemory++;
    this.#used = 0;
  }

  /** Writes the oldest block in memory to the file. */
  #spillOldest(): void {
    while (this.#blocks.get(this.#oldest)?.bytes === undefined) this.#oldest++;
    const block = this.#blocks.get(this.#oldest)!;
    const file = (this.#file ??= onDiskSync(tmpdir(), createFile));
    block.at = this.#free.pop() ?? file.end;
    onDiskSync(file.folder, () => {
      for (let written = 0; written < BLOCK_BYTES;)
        written += writeSync(file.descriptor, block.bytes!, written, BLOCK_BYTES - written, block.at + written);
    });
    file.end = Math.max(file.end, block.at + BLOCK_BYTES);
    block.bytes = undefined;
    this.#inMemory--;
  }
}

function createFile(): { readonly folder: string; readonly descriptor: number; end: number } {
  const folder = mkdtempSync(join(tmpdir(), 'mtl-join-'));
  return { folder, descriptor: openSync(join(folder, 'rows'), 'wx+'), end: 0 };
}
