import type { Encoding } from 'hyparquet';
import { ThriftReader, type Fields } from './thrift.js';

/** Header of a page. */
export interface PageHeader {
  readonly kind: 'data' | 'dictionary' | 'dataV2' | undefined;
  readonly size: number;
  readonly compressedSize: number;
  /** Number of values, or of levels in a data page. */
  readonly entries: number;
  readonly encoding: Encoding;
  /** Number of the encoding of levels, or their bytes in a version 2 page. */
  readonly definitions: number;
  readonly repetitions: number;
  /** Whether the values of a version 2 page are compressed. */
  readonly isCompressed: boolean;
}

// Ids of https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift.
const [SIZE, COMPRESSED_SIZE, IS_COMPRESSED] = [2, 3, 7];
/** By kind: the id of its struct, and the ids of entries, encoding, definitions and repetitions in it. */
const KINDS = [
  ['data', 5, [1, 2, 3, 4]],
  ['dictionary', 7, [1, 2, 1, 1]],
  ['dataV2', 8, [1, 4, 5, 6]],
] as const;
/** By number; hyparquet does not export them. */
const ENCODINGS =
  'PLAIN,GROUP_VAR_INT,PLAIN_DICTIONARY,RLE,BIT_PACKED,DELTA_BINARY_PACKED,DELTA_LENGTH_BYTE_ARRAY,DELTA_BYTE_ARRAY,' +
  'RLE_DICTIONARY,BYTE_STREAM_SPLIT';

/**
 * Reads the header at the beginning of some bytes.
 * @returns the header, and the number of its bytes
 * @throws Error for a header that is damaged or exceeds the bytes
 */
export function readPageHeader(bytes: Uint8Array): PageHeader & { readonly length: number } {
  const reader = new ThriftReader(bytes);
  const fields = reader.struct();
  const [kind, id, ids] = KINDS.find(([, struct]) => fields.get(struct) instanceof Map) ?? [];
  const struct = fields.get(id ?? 0);
  const numberOf = (field: number): number => (struct instanceof Map ? numberIn(struct, field) : 0);
  const [entries, encoding, definitions, repetitions] = ids ?? KINDS[0][2];
  return {
    kind,
    size: numberIn(fields, SIZE),
    compressedSize: numberIn(fields, COMPRESSED_SIZE),
    entries: numberOf(entries),
    encoding: encodingName(numberOf(encoding)),
    definitions: numberOf(definitions),
    repetitions: numberOf(repetitions),
    isCompressed: !(struct instanceof Map) || struct.get(IS_COMPRESSED) !== false,
    length: reader.at,
  };
}

/** Returns the name of an encoding, or the number of an unknown one for errors. */
export function encodingName(number: number): Encoding {
  return (ENCODINGS.split(',')[number] ?? String(number)) as Encoding;
}

function numberIn(fields: Fields, id: number): number {
  const value = fields.get(id);
  if (typeof value !== 'number') throw new Error('the header of a page is damaged');
  return value;
}
