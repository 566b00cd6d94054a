// Walks what is encoded in Thrift's compact protocol before it is decoded, so that damaged lengths allocate nothing
// (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md).

const BYTE = 3;
const DOUBLE = 7;
const BINARY = 8;
const LIST = 9;
const SET = 10;
const STRUCT = 12;
/** Those of Parquet lie some ten deep. */
const MAX_DEPTH = 32;

/**
 * Checks that a struct which begins at a byte ends within the bytes, and that its lists do.
 * @throws Error
 */
export function checkThrift(bytes: Uint8Array, begin: number): void {
  let at = begin;
  const take = (count: number): void => {
    if (count < 0 || count > bytes.length - at) throw new Error('a header exceeds its size');
    at += count;
  };
  const byte = (): number => {
    take(1);
    return bytes[at - 1]!;
  };
  const number = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const next = byte();
      value += (next & 127) * factor;
      if (next < 128) return value;
    }
  };
  const element = (type: number, depth: number): void => {
    if (depth > MAX_DEPTH) throw new Error('a header is nested too deeply');
    if (type === STRUCT) struct(depth + 1);
    else if (type === LIST || type === SET) {
      const head = byte();
      const size = head >> 4 === 15 ? number() : head >> 4;
      // Each of them has a byte at the least.
      if (size > bytes.length - at) throw new Error('a header has a list that exceeds its size');
      for (let i = 0; i < size; i++) element(Math.max(head & 15, BYTE), depth + 1);
    } else if (type === BINARY) take(number());
    else if (type === DOUBLE) take(8);
    else if (type === BYTE) take(1);
    else number();
  };
  const struct = (depth: number): void => {
    for (let head = byte(); (head & 15) !== 0; head = byte()) {
      if (head >> 4 === 0) number();
      // A boolean is in the type itself.
      if ((head & 15) > 2) element(head & 15, depth);
    }
  };
  struct(0);
}
