import type { ColumnMetaData, Encoding, PageHeader } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';
import { checkThrift } from './check-thrift.js';
import { decompress } from './codecs.js';
import type { Leaf } from './column-plan.js';
import { hybridReader, type HybridReader } from './hybrid.js';
import { STRIDE, type PageMemory } from './page-memory.js';
import { plainAt, plainWindow, readValues, type Values } from './values.js';

/** Some entries of a column chunk: a level for each, and values for those that are there. */
export interface Page {
  readonly entries: number;
  /** Where the column is a list: 0 begins a row, 1 goes on with it. */
  readonly repetitions: HybridReader | undefined;
  /** Where a value may be missing: the depth to which it is there. */
  readonly definitions: HybridReader | undefined;
  /**
   * Where values stand for themselves: those from a place on, as many as are looked at together or more.
   * @throws Error for a place that the page does not have
   */
  readonly values: ((from: number) => Promise<Values>) | undefined;
  /** Where they do not: their places in the dictionary. */
  readonly places: HybridReader | undefined;
}

/** The pages of a column chunk, one at a time. */
export interface Pages {
  /** @returns undefined behind the last of them */
  next(): Promise<Page | undefined>;
  /** Number of the page that was read last, from 1 on; pages of a dictionary do not count. */
  readonly number: number;
  /**
   * Values that places point to; none where values stand for themselves, or are taken from a dictionary that is not
   * kept.
   */
  readonly dictionary: Values | undefined;
}

/** What a page's header says, and what is in it. */
interface PageParts {
  readonly entries: number;
  readonly encoding: Encoding;
  readonly repetitions: HybridReader | undefined;
  readonly definitions: HybridReader | undefined;
  /** Valid until something else is read. */
  readonly bytes: Buffer;
}

/** Where a column chunk keeps the values that places point to. */
interface DictionaryPage {
  readonly count: number;
  /** Bytes of the values. */
  readonly size: number;
  /** The bytes, valid until something else is read. */
  read(): Promise<Buffer>;
}

/** Bytes in which the header of a page mostly fits. */
const HEADER_BYTES = 1 << 12;
/** It may hold the least and the largest value of its page. */
const MAX_HEADER_BYTES = 1 << 24;
/** Booleans with runs are read as places in this dictionary. */
const BOOLEANS: Values = { kind: 'bits', bytes: Buffer.of(2), count: 2 };

/** Opens the pages of a column chunk; its first bytes are on their way. */
export function openPages(chunk: ColumnMetaData, leaf: Leaf, memory: PageMemory): Pages {
  const begin = Math.min(Number(chunk.data_page_offset), Number(chunk.dictionary_page_offset ?? Infinity) || Infinity);
  const end = begin + Number(chunk.total_compressed_size);
  const stored = { type: chunk.type, typeLength: leaf.element.type_length ?? 0 };
  const readBytes = memory.reads(begin, end);
  let at = begin;
  let left = Number(chunk.num_values);
  let kept: Buffer = Buffer.alloc(0);
  let dictionary: Values | undefined;
  let dictionaryPage: DictionaryPage | undefined;
  let number = 0;

  /** Memory that values of a page are read from; those of the page or the part before it are done. */
  const room = (length: number): Buffer => {
    if (kept.length < length) kept = Buffer.from(new ArrayBuffer(length));
    return kept.subarray(0, length);
  };
  const keep = (bytes: Buffer): Buffer => {
    const own = room(bytes.length);
    bytes.copy(own);
    return own;
  };

  const readHeader = async (): Promise<PageHeader> => {
    for (let length = HEADER_BYTES; ; length *= 8) {
      const bytes = await readBytes(at, Math.min(length, end - at));
      const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 };
      try {
        checkThrift(bytes, 0);
        const header = parquetHeader(reader);
        at += reader.offset;
        return header;
      } catch (error) {
        // It may go on behind what was read.
        if (length >= Math.min(end - at, MAX_HEADER_BYTES))
          throw new Error('the header of a page is damaged', { cause: error });
      }
    }
  };

  /**
   * Takes some values at a time from a dictionary that would be too much to keep, and so would places for all of a
   * page.
   */
  const valuesByPlace =
    ({ count, read }: DictionaryPage, again: () => Promise<PageParts>) =>
    async (from: number): Promise<Values> => {
      const { bytes, entries, definitions } = await again();
      const there = definitions === undefined ? entries : countOf(definitions, entries, leaf.definition);
      const reader = hybridReader(bytes, 1, bytes.length, bytes[0]!);
      const places = new Int32Array(Math.max(STRIDE, Math.min(there - from, memory.windowBytes >> 2)));
      for (let passed = 0; passed < from; passed += places.length)
        reader.read(places, Math.min(places.length, from - passed));
      const next = places.subarray(0, there - from);
      reader.read(next, next.length);
      const plain = plainAt(stored, await read(), count, next, { size: memory.windowBytes, least: STRIDE }, room);
      return readValues(stored, 'PLAIN', plain, next.length);
    };

  const pageValues = async (
    { encoding, entries, bytes }: PageParts,
    again: () => Promise<PageParts>,
  ): Promise<Pick<Page, 'values' | 'places'>> => {
    const isBoolean = encoding === 'RLE' && stored.type === 'BOOLEAN';
    if (isBoolean) dictionary = BOOLEANS;
    else if (encoding === 'PLAIN_DICTIONARY' || encoding === 'RLE_DICTIONARY') {
      if (
        dictionaryPage !== undefined &&
        bytes.length > 0 &&
        Math.max(bytes.length, dictionaryPage.size) > memory.windowBytes
      ) {
        dictionary = undefined;
        return { values: valuesByPlace(dictionaryPage, again), places: undefined };
      }
      const own = Buffer.from(bytes);
      if (dictionaryPage !== undefined)
        dictionary ??= readValues(stored, 'PLAIN', owned(await dictionaryPage.read()), dictionaryPage.count);
      // All of them may be null.
      return { values: undefined, places: own.length === 0 ? undefined : hybridReader(own, 1, own.length, own[0]!) };
    } else dictionary = undefined;
    // The bytes go when others are read.
    if (isBoolean)
      return { values: undefined, places: bytes.length === 0 ? undefined : booleanReader(Buffer.from(bytes)) };
    if (bytes.length <= memory.windowBytes || encoding !== 'PLAIN' || stored.type === 'BOOLEAN') {
      const values = readValues(stored, encoding, keep(bytes), entries);
      return {
        values: (from) => (from === 0 ? Promise.resolve(values) : Promise.reject(tooFewValues(values.count))),
        places: undefined,
      };
    }
    /** The last value that was asked for, from which on the others can be found. */
    let known = { place: 0, byte: 0 };
    const windowOf = (whole: Buffer, from: number): Values => {
      known = plainWindow(stored, whole, known, from - known.place, 0);
      const last = plainWindow(stored, whole, known, STRIDE, memory.windowBytes);
      return readValues(stored, encoding, keep(whole.subarray(known.byte, last.byte)), last.place - known.place);
    };
    const first = windowOf(bytes, 0);
    return { values: async (from) => (from === 0 ? first : windowOf((await again()).bytes, from)), places: undefined };
  };

  const partsV1 = (header: PageHeader, compressed: Buffer): PageParts => {
    const {
      num_values: entries,
      encoding,
      repetition_level_encoding: repetition,
      definition_level_encoding: definition,
    } = header.data_page_header!;
    const bytes = decompress(chunk.codec, compressed, header.uncompressed_page_size, memory);
    let offset = 0;
    const levels = (highest: number, coded: Encoding): HybridReader | undefined => {
      if (highest === 0) return undefined;
      if (coded !== 'RLE') throw new Error(`the encoding ${coded} of its levels is not supported`);
      const from = offset + 4;
      offset = from + (from <= bytes.length ? bytes.readUInt32LE(offset) : 0);
      if (offset > bytes.length) throw new Error(LEVELS_END_BEHIND);
      return hybridReader(Buffer.from(bytes.subarray(from, offset)), 0, offset - from, bitsOf(highest), highest);
    };
    const repetitions = levels(leaf.isRepeated ? 1 : 0, repetition);
    const definitions = levels(leaf.definition, definition);
    return { entries, encoding, repetitions, definitions, bytes: bytes.subarray(offset) };
  };

  const partsV2 = (header: PageHeader, compressed: Buffer): PageParts => {
    const {
      num_values: entries,
      encoding,
      is_compressed: isCompressed,
      repetition_levels_byte_length: repetitionBytes,
      definition_levels_byte_length: definitionBytes,
    } = header.data_page_header_v2!;
    const levelBytes = repetitionBytes + definitionBytes;
    if (repetitionBytes < 0 || definitionBytes < 0 || levelBytes > compressed.length)
      throw new Error(LEVELS_END_BEHIND);
    const levels = Buffer.from(compressed.subarray(0, levelBytes));
    const repetitions = leaf.isRepeated ? hybridReader(levels, 0, repetitionBytes, 1, 1) : undefined;
    const definitions =
      leaf.definition > 0
        ? hybridReader(levels, repetitionBytes, levelBytes, bitsOf(leaf.definition), leaf.definition)
        : undefined;
    const bytes = decompress(
      isCompressed === false ? 'UNCOMPRESSED' : chunk.codec,
      compressed.subarray(levelBytes),
      header.uncompressed_page_size - levelBytes,
      memory,
    );
    return { entries, encoding, repetitions, definitions, bytes };
  };

  return {
    get dictionary() {
      return dictionary;
    },
    get number() {
      return number;
    },
    async next() {
      while (left > 0) {
        const header = await readHeader();
        const size = header.compressed_page_size;
        if (size < 0 || at + size > end) throw new Error('a page extends past its column');
        const from = at;
        at += size;
        const read = (): Promise<Buffer> => readBytes(from, size);
        if (header.dictionary_page_header !== undefined) {
          const { num_values: count } = header.dictionary_page_header;
          const { uncompressed_page_size: bytes } = header;
          dictionaryPage = {
            count,
            size: bytes,
            read: async () => decompress(chunk.codec, await read(), bytes, memory),
          };
          continue;
        }
        if (header.data_page_header === undefined && header.data_page_header_v2 === undefined) continue;
        number++;
        const parts = async (): Promise<PageParts> =>
          (header.data_page_header === undefined ? partsV2 : partsV1)(header, await read());
        const page = await parts();
        if (page.entries < 0 || page.entries > left)
          throw new Error(`a page has ${page.entries} values, but only ${left} remain`);
        left -= page.entries;
        if (page.entries > 0) return { ...page, ...(await pageValues(page, parts)) };
      }
      return undefined;
    },
  };
}

const LEVELS_END_BEHIND = 'its levels extend past their page';

/** The error for a page whose levels claim more values than it holds. */
export function tooFewValues(held: number): Error {
  return new Error(`its levels declare more than its ${held} values`);
}

/** Reads booleans in runs, behind the length of their bytes. */
function booleanReader(bytes: Buffer): HybridReader {
  const end = bytes.length < 4 ? Infinity : 4 + bytes.readUInt32LE(0);
  if (end > bytes.length) throw new Error('its values extend past their page');
  return hybridReader(bytes, 4, end, 1);
}

/** The bytes in memory of their own: what they lie in is used again, or is much larger. */
function owned(bytes: Buffer): Buffer {
  const copy = Buffer.from(new ArrayBuffer(bytes.length));
  bytes.copy(copy);
  return copy;
}

/** How many of the next levels are this one. */
function countOf(levels: HybridReader, entries: number, level: number): number {
  const some = new Int32Array(STRIDE);
  let found = 0;
  for (let done = 0; done < entries; done += STRIDE) {
    const count = Math.min(STRIDE, entries - done);
    levels.read(some, count);
    for (let i = 0; i < count; i++) if (some[i] === level) found++;
  }
  return found;
}

/** Bits of a level up to this one. */
function bitsOf(level: number): number {
  return 32 - Math.clz32(level);
}
