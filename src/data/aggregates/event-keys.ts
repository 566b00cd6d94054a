import { userError } from '../../core/errors.js';
import { grown } from '../../core/grown.js';
import { addKey, createKeyTable, keyBytes, removeKey } from '../../core/key-table.js';
import { createTextFinder, createUtf8Writer } from '../../features/vocabulary/utf8.js';

/**
 * Numbers the keys that events refer to, from 1. A key without events is forgotten, and its number is used again. Keys
 * of JSON may have half a surrogate pair, which is U+FFFD here as in a checkpoint.
 */
export class EventKeys {
  readonly #table = createKeyTable();
  readonly #find = createTextFinder(this.#table);
  readonly #utf8 = createUtf8Writer();
  /** Number of events by key. */
  #uses = new Uint32Array(0);

  /** Exclusive upper bound of all ids. */
  get size(): number {
    return this.#table.highest + 1;
  }

  /** Size of the memory in bytes. */
  get bytes(): number {
    const { bytes, begins, ends, index } = this.#table;
    return [bytes, begins, ends, index, this.#uses].reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  /** Returns the id of a key; 0 if it has no events. */
  find(text: string): number {
    return this.#find(text.toWellFormed());
  }

  /**
   * Returns the id of a key, which is added if it has no events.
   * @throws UserError (data) for more than 4 GiB of keys
   */
  add(text: string): number {
    const length = this.#utf8.write(text.toWellFormed());
    const id = addKey(this.#table, this.#utf8.bytes, 0, length);
    if (id === 0)
      throw userError('data', {
        key: 'data.counters',
        message: 'events have more than 4 GiB of keys',
        fix: 'shorten within or delay',
      });
    this.#uses = grown(this.#uses, this.size);
    return id;
  }

  /** Notes one more event of a key. */
  use(id: number): void {
    this.#uses[id]!++;
  }

  /** Notes one event less of a key. */
  release(id: number): void {
    if (--this.#uses[id]! === 0) removeKey(this.#table, id);
  }

  /** Returns the text of a key with events. */
  textOf(id: number): string {
    return Buffer.from(keyBytes(this.#table, id)).toString();
  }
}
