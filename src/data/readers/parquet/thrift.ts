// Structs in Thrift's compact protocol
// (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md).
// Not hyparquet's reader: it is private, and allocates the memory that a damaged length declares.

const [TRUE, FALSE, BYTE, DOUBLE, BINARY, LIST, SET, STRUCT] = [1, 2, 3, 7, 8, 9, 10, 12] as const;
const MAX_VARINT_BYTES = 10;
/** Maximum depth of nested structs; Parquet's are about ten deep. */
const MAX_DEPTH = 32;

/** Value of a field; strings, lists and floating-point numbers are undefined. */
type Value = number | boolean | Fields | undefined;
/** Fields of a struct by id. */
export type Fields = ReadonlyMap<number, Value>;

/** Reads structs, and throws an Error for one that is damaged or exceeds the bytes. */
export class ThriftReader {
  /** Offset of the next byte. */
  at = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Reads the struct that begins at the next byte. */
  struct(depth = 0): Fields {
    if (depth > MAX_DEPTH) throw new Error('a header is nested too deeply');
    const fields = new Map<number, Value>();
    let id = 0;
    for (let head = this.#byte(); (head & 15) !== 0; head = this.#byte()) {
      id = head >> 4 === 0 ? this.#zigzag() : id + (head >> 4);
      fields.set(id, this.#value(head & 15, depth + 1));
    }
    return fields;
  }

  #value(type: number, depth: number): Value {
    // A boolean field is stored in its type.
    if (type === TRUE || type === FALSE) return type === TRUE;
    if (type === STRUCT) return this.struct(depth);
    if (type === LIST || type === SET) return this.#list(depth);
    if (type === BINARY) return this.#skip(this.#varint());
    if (type === DOUBLE) return this.#skip(8);
    return type === BYTE ? this.#byte() : this.#zigzag();
  }

  #list(depth: number): undefined {
    if (depth > MAX_DEPTH) throw new Error('a header is nested too deeply');
    const head = this.#byte();
    const size = head >> 4 === 15 ? this.#varint() : head >> 4;
    // Every element takes at least one byte.
    if (size > this.#bytes.length - this.at) throw new Error('a header has a list that exceeds its size');
    for (let i = 0; i < size; i++) this.#value(Math.max(head & 15, BYTE), depth + 1);
  }

  #skip(count: number): undefined {
    if (count > this.#bytes.length - this.at) throw new Error('a header exceeds its size');
    this.at += count;
  }

  #byte(): number {
    this.#skip(1);
    return this.#bytes[this.at - 1]!;
  }

  #varint(): number {
    let value = 0;
    for (let i = 0, factor = 1; i < MAX_VARINT_BYTES; i++, factor *= 128) {
      const byte = this.#byte();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
    throw new Error('a header has an invalid integer');
  }

  #zigzag(): number {
    const value = this.#varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
}
