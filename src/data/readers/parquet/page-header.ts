import type { Encoding } from 'hyparquet';
import { readStruct, type Fields } from './thrift.js';

/** Header of a page: its sizes and, if it is a page of values, their number and encoding. */
export interface PageHeader {
  readonly kind: 'dictionary' | 'data' | 'data-v2' | 'other';
  readonly size: number;
  readonly compressedSize: number;
  readonly entries: number;
  readonly encoding: Encoding;
  /** Encodings of the levels of a version 1 page. */
  readonly definitionEncoding: Encoding;
  readonly repetitionEncoding: Encoding;
  /** Bytes of the levels of a version 2 page, which precede its values and are not compressed. */
  readonly definitionBytes: number;
  readonly repetitionBytes: number;
  readonly isCompressed: boolean;
}

/** By their numbers in the format; hyparquet does not export them. */
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
/** Field ids of https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift. */
const PAGE_HEADER = { size: 2, compressedSize: 3, data: 5, dictionary: 7, dataV2: 8 };
const DATA = { entries: 1, encoding: 2, definitionEncoding: 3, repetitionEncoding: 4 };
const DATA_V2 = { entries: 1, encoding: 4, definitionBytes: 5, repetitionBytes: 6, isCompressed: 7 };
const DICTIONARY = { entries: 1 };

/**
 * Reads the header of a page at the begin of some bytes.
 * @throws Error for a header that is damaged or exceeds the bytes
 */
export function readPageHeader(bytes: Uint8Array): { readonly header: PageHeader; readonly end: number } {
  const { fields, end } = readStruct(bytes, 0);
  const header = {
    size: numberIn(fields, PAGE_HEADER.size),
    compressedSize: numberIn(fields, PAGE_HEADER.compressedSize),
    kind: 'other' as const,
    entries: 0,
    encoding: 'PLAIN' as const,
    definitionEncoding: 'RLE' as const,
    repetitionEncoding: 'RLE' as const,
    definitionBytes: 0,
    repetitionBytes: 0,
    isCompressed: true,
  };
  const [dictionary, data, dataV2] = [PAGE_HEADER.dictionary, PAGE_HEADER.data, PAGE_HEADER.dataV2].map((id) =>
    structIn(fields, id),
  );
  if (dictionary !== undefined)
    return { header: { ...header, kind: 'dictionary', entries: numberIn(dictionary, DICTIONARY.entries) }, end };
  if (data !== undefined) {
    const levels = {
      definitionEncoding: encodingIn(data, DATA.definitionEncoding),
      repetitionEncoding: encodingIn(data, DATA.repetitionEncoding),
    };
    const [entries, encoding] = [numberIn(data, DATA.entries), encodingIn(data, DATA.encoding)];
    return { header: { ...header, ...levels, kind: 'data', entries, encoding }, end };
  }
  if (dataV2 === undefined) return { header, end };
  const levels = {
    definitionBytes: numberIn(dataV2, DATA_V2.definitionBytes),
    repetitionBytes: numberIn(dataV2, DATA_V2.repetitionBytes),
    isCompressed: dataV2.get(DATA_V2.isCompressed) !== false,
  };
  const [entries, encoding] = [numberIn(dataV2, DATA_V2.entries), encodingIn(dataV2, DATA_V2.encoding)];
  return { header: { ...header, ...levels, kind: 'data-v2', entries, encoding }, end };
}

function numberIn(fields: Fields, id: number): number {
  const value = fields.get(id);
  if (typeof value !== 'number') throw new Error('the header of a page is damaged');
  return value;
}

function encodingIn(fields: Fields, id: number): Encoding {
  const number = numberIn(fields, id);
  // An unknown encoding is reported when values are decoded.
  return ENCODINGS[number] ?? (String(number) as Encoding);
}

function structIn(fields: Fields, id: number): Fields | undefined {
  const value = fields.get(id);
  return typeof value === 'object' ? value : undefined;
}
