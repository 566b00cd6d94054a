import type { Column } from '../../chunks/column.js';
import { holdsNotText, NOT_TEXT } from '../../features/parse.js';
import { createUtf8Writer } from '../../features/vocabulary/utf8.js';

/** Bytes that decode to NOT_TEXT. */
const INVALID = Buffer.of(0xff);
const NO_BYTES = new Uint8Array(0);

/** Reads the values of a column as UTF-8, one at a time. */
export class CellBytes {
  /** Bytes that contain the value from `begin` to `end`, until the next one is read. */
  bytes: Uint8Array = NO_BYTES;
  begin = 0;
  end = 0;
  #column: Column | undefined;
  readonly #writer = createUtf8Writer();

  /** Continues with the column of a chunk. */
  start(column: Column): void {
    this.#column = column;
  }

  /** @throws InvalidValueError for a value without a text */
  read(row: number): void {
    const { utf8 } = this.#column!;
    if (utf8 === undefined) {
      this.#readText(this.#column!.text(row));
      return;
    }
    this.bytes = utf8.bytes;
    this.begin = utf8.begins[row * utf8.stride]! + utf8.gap;
    this.end = utf8.ends[row * utf8.stride]!;
  }

  #readText(text: string): void {
    const invalid = holdsNotText(text) ? invalidBytes(text) : undefined;
    this.begin = 0;
    this.end = invalid?.length ?? this.#writer.write(text);
    this.bytes = invalid ?? this.#writer.bytes;
  }
}

/** Encodes a text with invalid bytes. Its valid parts contain no half of a surrogate pair. */
function invalidBytes(text: string): Uint8Array {
  const parts = Array.from(text, (character) => (character === NOT_TEXT ? INVALID : Buffer.from(character)));
  return Buffer.concat(parts);
}
