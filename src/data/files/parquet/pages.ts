import type { FileHandle } from 'node:fs/promises';
import type { ColumnMetaData, Encoding, PageHeader } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';
import { decompress } from './codecs.js';
import type { Leaf } from './column-plan.js';
import { hybridReader, type HybridReader } from './hybrid.js';
import { readValues, type Values } from './values.js';

/** Some entries of a column chunk: a level for each, and values for those that are there. */
export interface Page {
  readonly entries: number;
  /** Where the column is a list: 0 begins a row, 1 goes on with it. */
  readonly repetitions: HybridReader | undefined;
  /** Where a value may be missing: the depth to which it is there. */
  readonly definitions: HybridReader | undefined;
  /** Either values in their order, or places in the dictionary. */
  readonly values: Values | undefined;
  readonly places: HybridReader | undefined;
}

/** The pages of a column chunk, one at a time. */
export interface Pages {
  /** @returns undefined behind the last of them */
  next(): Promise<Page | undefined>;
  /** Values that places point to. */
  readonly dictionary: Values | undefined;
}

/** Bytes in which the header of a page mostly fits. */
const HEADER_BYTES = 1 << 12;
/** Booleans with runs are read as places in this dictionary. */
const BOOLEANS: Values = { kind: 'bits', bytes: Buffer.of(2), count: 2 };

/** Opens the pages of a column chunk; none is read yet. */
export function openPages(file: FileHandle, chunk: ColumnMetaData, leaf: Leaf): Pages {
  const begin = Math.min(Number(chunk.data_page_offset), Number(chunk.dictionary_page_offset ?? Infinity) || Infinity);
  const end = begin + Number(chunk.total_compressed_size);
  const stored = { type: chunk.type, typeLength: leaf.element.type_length ?? 0 };
  let at = begin;
  let left = Number(chunk.num_values);
  let dictionary: Values | undefined;

  const readHeader = async (): Promise<PageHeader> => {
    for (let length = HEADER_BYTES; ; length *= 8) {
      const bytes = await readBytes(file, at, Math.min(length, end - at));
      const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 };
      try {
        const header = parquetHeader(reader);
        at += reader.offset;
        return header;
      } catch (error) {
        // It may go on behind what was read.
        if (length >= end - at) throw error;
      }
    }
  };

  /** Values, or their places in the dictionary. */
  const valuesOf = (bytes: Buffer, encoding: Encoding, entries: number): Pick<Page, 'values' | 'places'> => {
    if (encoding === 'PLAIN_DICTIONARY' || encoding === 'RLE_DICTIONARY') {
      // All of them may be null.
      return { values: undefined, places: bytes.length === 0 ? undefined : hybridReader(bytes, 1, bytes.length, bytes[0]!) };
    }
    if (bytes.length === 0) return { values: undefined, places: undefined };
    if (encoding === 'RLE' && stored.type === 'BOOLEAN') {
      dictionary = BOOLEANS;
      return { values: undefined, places: hybridReader(bytes, 4, bytes.length, 1) };
    }
    return { values: readValues(stored, encoding, bytes, entries), places: undefined };
  };

  const pageV1 = (header: PageHeader, compressed: Buffer): Page => {
    const { num_values: entries, encoding, repetition_level_encoding: repetition, definition_level_encoding: definition } = header.data_page_header!;
    const bytes = decompress(chunk.codec, compressed, header.uncompressed_page_size);
    let offset = 0;
    const levels = (highest: number, coded: Encoding): HybridReader | undefined => {
      if (highest === 0) return undefined;
      if (coded !== 'RLE') throw new Error(`the encoding ${coded} of its levels is not known`);
      const from = offset + 4;
      offset = from + bytes.readUInt32LE(offset);
      if (offset > bytes.length) throw new Error('its levels end behind their page');
      return hybridReader(bytes, from, offset, bitsOf(highest));
    };
    const repetitions = levels(leaf.isRepeated ? 1 : 0, repetition);
    const definitions = levels(leaf.definition, definition);
    return { entries, repetitions, definitions, ...valuesOf(bytes.subarray(offset), encoding, entries) };
  };

  const pageV2 = (header: PageHeader, compressed: Buffer): Page => {
    const { num_values: entries, encoding, is_compressed: isCompressed, repetition_levels_byte_length: repetitionBytes, definition_levels_byte_length: definitionBytes } = header.data_page_header_v2!;
    const levelBytes = repetitionBytes + definitionBytes;
    if (levelBytes > compressed.length) throw new Error('its levels end behind their page');
    const repetitions = leaf.isRepeated ? hybridReader(compressed, 0, repetitionBytes, 1) : undefined;
    const definitions = leaf.definition > 0 ? hybridReader(compressed, repetitionBytes, levelBytes, bitsOf(leaf.definition)) : undefined;
    const bytes = decompress(isCompressed === false ? 'UNCOMPRESSED' : chunk.codec, compressed.subarray(levelBytes), header.uncompressed_page_size - levelBytes);
    return { entries, repetitions, definitions, ...valuesOf(bytes, encoding, entries) };
  };

  return {
    get dictionary() {
      return dictionary;
    },
    async next() {
      while (left > 0) {
        const header = await readHeader();
        const size = header.compressed_page_size;
        if (size < 0 || at + size > end) throw new Error('a page ends behind its column');
        const bytes = await readBytes(file, at, size);
        at += size;
        if (header.dictionary_page_header !== undefined) {
          const { num_values: count } = header.dictionary_page_header;
          dictionary = readValues(stored, 'PLAIN', decompress(chunk.codec, bytes, header.uncompressed_page_size), count);
          continue;
        }
        if (header.data_page_header === undefined && header.data_page_header_v2 === undefined) continue;
        const page = header.data_page_header === undefined ? pageV2(header, bytes) : pageV1(header, bytes);
        if (page.entries < 0 || page.entries > left) throw new Error(`a page has ${page.entries} values where ${left} are left`);
        left -= page.entries;
        if (page.entries > 0) return page;
      }
      return undefined;
    },
  };
}

async function readBytes(file: FileHandle, at: number, length: number): Promise<Buffer> {
  // Memory of its own, so that it goes as a whole.
  const buffer = Buffer.from(new ArrayBuffer(length));
  const { bytesRead } = await file.read(buffer, 0, length, at);
  if (bytesRead < length) throw new Error('it ends too early');
  return buffer;
}

/** Bits of a level up to this one. */
function bitsOf(level: number): number {
  return 32 - Math.clz32(level);
}
