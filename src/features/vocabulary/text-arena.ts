import { grown } from '../../core/grown.js';
import { hashText } from './text-table.js';

/** Bytes per unit of memory; addresses of texts count units, so that 32 bits address 32 GiB. */
const UNIT = 8;
const FIRST_UNITS = 1 << 10;

/**
 * Memory of texts that are added and released one by one. A released block is reused for the next text of the same
 * number of units, so that no text ever moves.
 */
export class TextArena {
  #bytes = new Uint8Array(FIRST_UNITS * UNIT);
  #words = new Uint32Array(this.#bytes.buffer);
  /** First unit that was never used; unit 0 means no block. */
  #end = 1;
  /** First released block by its number of units; its first word is the next one. */
  readonly #released = new Map<number, number>();

  /** The memory, until the next text is added. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Copies the bytes in `begin`…`end`; returns their address. */
  add(from: Uint8Array, begin: number, end: number): number {
    const address = this.#take(Math.ceil((end - begin) / UNIT));
    for (let i = begin, to = address * UNIT; i < end; i++) this.#bytes[to++] = from[i]!;
    return address;
  }

  /** Releases the memory of a text. */
  release(address: number, length: number): void {
    const units = Math.ceil(length / UNIT);
    this.#words[address * (UNIT / 4)] = this.#released.get(units) ?? 0;
    this.#released.set(units, address);
  }

  /** Returns whether a text equals the bytes in `begin`…`end`. */
  isEqual(address: number, length: number, from: Uint8Array, begin: number, end: number): boolean {
    if (end - begin !== length) return false;
    const at = address * UNIT;
    let i = 0;
    while (i < length && this.#bytes[at + i] === from[begin + i]) i++;
    return i === length;
  }

  /** Returns `hashText` of a text. */
  hash(address: number, length: number): number {
    return hashText(this.#bytes, address * UNIT, address * UNIT + length);
  }

  /** Returns the bytes of a text, until the next one is added. */
  bytesOf(address: number, length: number): Uint8Array {
    return this.#bytes.subarray(address * UNIT, address * UNIT + length);
  }

  #take(units: number): number {
    const released = this.#released.get(units) ?? 0;
    if (released > 0) {
      this.#released.set(units, this.#words[released * (UNIT / 4)]!);
      return released;
    }
    const address = this.#end;
    this.#end += units;
    if (this.#end * UNIT > this.#bytes.length) {
      this.#bytes = grown(this.#bytes, this.#end * UNIT);
      this.#words = new Uint32Array(this.#bytes.buffer);
    }
    return address;
  }
}
