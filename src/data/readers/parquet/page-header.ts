import type { Encoding } from 'hyparquet';
import { readStruct, type Fields } from './thrift.js';

/** Header of a page. */
export interface PageHeader {
  readonly kind: keyof typeof KINDS | undefined;
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
const [SIZE, COMPRESSED_SIZE] = [2, 3];
const KINDS = {
  data: { id: 5, entries: 1, encoding: 2, definitions: 3, repetitions: 4 },
  dictionary: { id: 7, entries: 1, encoding: 2, definitions: 1, repetitions: 1 },
  dataV2: { id: 8, entries: 1, encoding: 4, definitions: 5, repetitions: 6 },
};
const IS_COMPRESSED = 7;
/** By number; hyparquet does not export them. */
const ENCODINGS: readonly Encoding[] = [
  'PLAIN',
  'GROUP_VAR_INT',
  'PLAIN_DICTIONARY',
  'RLE',
  'BIT_PACKED',
  'DELTA_BINARY_PACKED',
  'DELTA_LENGTH_BYTE_ARRAY',
  'DELTA_BYTE_ARRAY',
  'RLE_DICTIONARY',
  'BYTE_STREAM_SPLIT',
];

/**
 * Reads the header at the beginning of some bytes.
 * @throws Error for a header that is damaged or exceeds the bytes
 */
export function readPageHeader(bytes: Uint8Array): { readonly header: PageHeader; readonly end: number } {
  const { fields, end } = readStruct(bytes, 0);
  const kind = (['dictionary', 'data', 'dataV2'] as const).find((name) => fields.get(KINDS[name].id) instanceof Map);
  const ids = KINDS[kind ?? 'data'];
  const struct = kind === undefined ? undefined : (fields.get(ids.id) as Fields);
  const number = (id: number): number => (struct === undefined ? 0 : numberIn(struct, id));
  const header = {
    kind,
    size: numberIn(fields, SIZE),
    compressedSize: numberIn(fields, COMPRESSED_SIZE),
    entries: number(ids.entries),
    encoding: encodingName(number(ids.encoding)),
    definitions: number(ids.definitions),
    repetitions: number(ids.repetitions),
    isCompressed: struct?.get(IS_COMPRESSED) !== false,
  };
  return { header, end };
}

/** Returns the name of an encoding, or the number of an unknown one for errors. */
export function encodingName(number: number): Encoding {
  return ENCODINGS[number] ?? (String(number) as Encoding);
}

function numberIn(fields: Fields, id: number): number {
  const value = fields.get(id);
  if (typeof value !== 'number') throw new Error('the header of a page is damaged');
  return value;
}
