import type { ColumnMetaData, Encoding } from 'hyparquet';
import { decompress } from './codecs.js';
import type { Leaf } from './column-plan.js';
import { HybridReader } from './hybrid.js';
import { encodingName, readPageHeader, type PageHeader } from './page-header.js';
import { STRIDE, type PageMemory } from './page-memory.js';
import { copyPlaces, readValues, skipPlain, type Stored, type Values } from './values.js';

/** Entries of a column chunk: a level for each, and values for those that are not null. */
export interface Page {
  readonly entries: number;
  /** For a list: 0 for the first entry of a row, 1 for the following ones. */
  readonly repetitions: HybridReader | undefined;
  /** If a value may be null. */
  readonly definitions: HybridReader | undefined;
  /** Values that are stored in the page; undefined if they are indices into `dictionary`. */
  readonly plain: PlainValues | undefined;
  /** Undefined if all values are null. */
  readonly places: HybridReader | undefined;
  readonly dictionary: Values | undefined;
}

/** Values of a page, some at a time if they exceed the memory of a column. */
export interface PlainValues {
  readonly first: Values;
  /**
   * Returns values from an index on: at least as many as one stride of entries has.
   * @throws Error if the page has no such value
   */
  readFrom(index: number): Promise<Values>;
}

/** Contents of a page. */
interface PageParts {
  readonly entries: number;
  readonly encoding: Encoding;
  readonly repetitions: HybridReader | undefined;
  readonly definitions: HybridReader | undefined;
  /** Values; valid until the next read. */
  readonly bytes: Buffer;
}

/** The dictionary of a column chunk. */
interface DictionaryPage {
  readonly count: number;
  /** Bytes of the values. */
  readonly size: number;
  /** Returns the bytes, valid until the next read. */
  read(): Promise<Buffer>;
}

/** Most headers are smaller. */
const HEADER_BYTES = 1 << 12;
/** A header may contain the minimum and the maximum of its page. */
const MAX_HEADER_BYTES = 1 << 24;
/** Booleans in runs are indices into this dictionary. */
const BOOLEANS: Values = { kind: 'bits', bytes: Buffer.of(2), count: 2 };
const LEVELS_EXCEED_PAGE = 'its levels extend past their page';

/** Reads the pages of a column chunk in order. The read of its first bytes starts at once. */
export class PageReader {
  /** Number of data pages that were read. */
  number = 0;
  readonly #chunk: ColumnMetaData;
  readonly #leaf: Leaf;
  readonly #memory: PageMemory;
  readonly #stored: Stored;
  readonly #readBytes: (at: number, length: number) => Promise<Buffer>;
  readonly #end: number;
  #at: number;
  #entriesLeft: number;
  #dictionaryPage: DictionaryPage | undefined;
  #dictionary: Values | undefined;
  /** Memory of plain values, reused by the next page or part of one. */
  #kept: Buffer = Buffer.alloc(0);

  constructor(chunk: ColumnMetaData, leaf: Leaf, memory: PageMemory) {
    this.#chunk = chunk;
    this.#leaf = leaf;
    this.#memory = memory;
    this.#stored = { type: chunk.type, typeLength: leaf.element.type_length ?? 0 };
    const dictionaryAt = Number(chunk.dictionary_page_offset ?? 0);
    const dataAt = Number(chunk.data_page_offset);
    this.#at = dictionaryAt === 0 ? dataAt : Math.min(dataAt, dictionaryAt);
    this.#end = this.#at + Number(chunk.total_compressed_size);
    this.#readBytes = memory.reads(this.#at, this.#end);
    this.#entriesLeft = Number(chunk.num_values);
  }

  /** Reads the next data page; undefined after the last one. */
  async next(): Promise<Page | undefined> {
    while (this.#entriesLeft > 0) {
      const header = await this.#readHeader();
      const { compressedSize } = header;
      const at = this.#at;
      if (compressedSize < 0 || at + compressedSize > this.#end) throw new Error('a page extends past its column');
      this.#at += compressedSize;
      const read = (): Promise<Buffer> => this.#readBytes(at, compressedSize);
      if (header.kind === 'dictionary') {
        const { entries: count, size } = header;
        const { codec } = this.#chunk;
        const decompressed = async (): Promise<Buffer> => decompress(codec, await read(), size, this.#memory);
        this.#dictionaryPage = { count, size, read: decompressed };
        this.#dictionary = undefined;
      } else if (header.kind !== undefined) {
        this.number++;
        const readParts = async (): Promise<PageParts> =>
          (header.kind === 'data' ? splitPage : splitPageV2)(
            header,
            await read(),
            this.#chunk,
            this.#leaf,
            this.#memory,
          );
        const parts = await readParts();
        if (parts.entries < 0 || parts.entries > this.#entriesLeft)
          throw new Error(`a page has ${parts.entries} values, but only ${this.#entriesLeft} remain`);
        this.#entriesLeft -= parts.entries;
        if (parts.entries > 0) return { ...parts, ...(await this.#values(parts, readParts)) };
      }
    }
    return undefined;
  }

  async #readHeader(): Promise<PageHeader> {
    for (let length = HEADER_BYTES; ; length *= 8) {
      const bytes = await this.#readBytes(this.#at, Math.min(length, this.#end - this.#at));
      try {
        const { header, end } = readPageHeader(bytes);
        this.#at += end;
        return header;
      } catch (error) {
        // The header may be longer than what was read.
        if (length >= Math.min(this.#end - this.#at, MAX_HEADER_BYTES))
          throw new Error('the header of a page is damaged', { cause: error });
      }
    }
  }

  async #values(
    parts: PageParts,
    again: () => Promise<PageParts>,
  ): Promise<Pick<Page, 'plain' | 'places' | 'dictionary'>> {
    const { encoding, entries, bytes } = parts;
    const stored = this.#stored;
    if (encoding === 'RLE' && stored.type === 'BOOLEAN') {
      const places = bytes.length === 0 ? undefined : openBooleans(Buffer.from(bytes));
      return { plain: undefined, places, dictionary: BOOLEANS };
    }
    if (encoding === 'PLAIN_DICTIONARY' || encoding === 'RLE_DICTIONARY') return this.#dictionaryValues(bytes, again);
    if (bytes.length > this.#memory.windowBytes && encoding === 'PLAIN' && stored.type !== 'BOOLEAN')
      return { plain: this.#windows(bytes, again), places: undefined, dictionary: undefined };
    const first = readValues(stored, encoding, this.#keep(bytes), entries);
    const readFrom = (): Promise<Values> => Promise.reject(tooFewValues(first.count));
    return { plain: { first, readFrom }, places: undefined, dictionary: undefined };
  }

  async #dictionaryValues(
    bytes: Buffer,
    again: () => Promise<PageParts>,
  ): Promise<Pick<Page, 'plain' | 'places' | 'dictionary'>> {
    const page = this.#dictionaryPage;
    if (page !== undefined && bytes.length > 0 && Math.max(bytes.length, page.size) > this.#memory.windowBytes) {
      this.#dictionary = undefined;
      const readFrom = (index: number): Promise<Values> => this.#readByPlace(page, again, index);
      return { plain: { first: await readFrom(0), readFrom }, places: undefined, dictionary: undefined };
    }
    // A read of the dictionary overwrites the bytes.
    const own = Buffer.from(bytes);
    if (page !== undefined)
      this.#dictionary ??= readValues(this.#stored, 'PLAIN', copyOf(await page.read()), page.count);
    const places = own.length === 0 ? undefined : new HybridReader(own, 1, own.length, own[0]!);
    return { plain: undefined, places, dictionary: this.#dictionary };
  }

  /** Reads values from an index on whose indices or dictionary exceed the memory of a column. */
  async #readByPlace(page: DictionaryPage, again: () => Promise<PageParts>, index: number): Promise<Values> {
    const { windowBytes } = this.#memory;
    const { bytes, entries, definitions } = await again();
    const present = definitions === undefined ? entries : countLevel(definitions, entries, this.#leaf.definition);
    const reader = new HybridReader(bytes, 1, bytes.length, bytes[0]!);
    const places = new Int32Array(Math.max(STRIDE, Math.min(present - index, windowBytes >> 2)));
    for (let passed = 0; passed < index; passed += places.length)
      reader.read(places, Math.min(places.length, index - passed));
    const next = places.subarray(0, Math.max(0, present - index));
    reader.read(next, next.length);
    const until = { size: windowBytes, values: STRIDE };
    const plain = copyPlaces(this.#stored, await page.read(), page.count, next, until);
    return readValues(this.#stored, 'PLAIN', plain, next.length);
  }

  /** Reads plain values that exceed the memory of a column, part by part. */
  #windows(bytes: Buffer, again: () => Promise<PageParts>): PlainValues {
    const stored = this.#stored;
    /** The last requested value: those after it are found from here. */
    let known = { place: 0, byte: 0 };
    const window = (whole: Buffer, index: number): Values => {
      known = skipPlain(stored, whole, known, index - known.place, 0);
      const last = skipPlain(stored, whole, known, STRIDE, this.#memory.windowBytes);
      const part = this.#keep(whole.subarray(known.byte, last.byte));
      return readValues(stored, 'PLAIN', part, last.place - known.place);
    };
    return { first: window(bytes, 0), readFrom: async (index) => window((await again()).bytes, index) };
  }

  #keep(bytes: Buffer): Buffer {
    if (this.#kept.length < bytes.length) this.#kept = Buffer.from(new ArrayBuffer(bytes.length));
    bytes.copy(this.#kept);
    return this.#kept.subarray(0, bytes.length);
  }
}

function splitPage(
  header: PageHeader,
  compressed: Buffer,
  { codec }: ColumnMetaData,
  leaf: Leaf,
  memory: PageMemory,
): PageParts {
  const bytes = decompress(codec, compressed, header.size, memory);
  let offset = 0;
  const levels = (highest: number, encodingNumber: number): HybridReader | undefined => {
    if (highest === 0) return undefined;
    const coding = encodingName(encodingNumber);
    if (coding !== 'RLE') throw new Error(`the encoding ${coding} of its levels is not supported`);
    const from = offset + 4;
    offset = from + (from <= bytes.length ? bytes.readUInt32LE(offset) : 0);
    if (offset > bytes.length) throw new Error(LEVELS_EXCEED_PAGE);
    return new HybridReader(Buffer.from(bytes.subarray(from, offset)), 0, offset - from, numBits(highest), highest);
  };
  const repetitions = levels(leaf.isRepeated ? 1 : 0, header.repetitions);
  const definitions = levels(leaf.definition, header.definitions);
  const { entries, encoding } = header;
  return { entries, encoding, repetitions, definitions, bytes: bytes.subarray(offset) };
}

function splitPageV2(
  header: PageHeader,
  compressed: Buffer,
  { codec }: ColumnMetaData,
  leaf: Leaf,
  memory: PageMemory,
): PageParts {
  const { entries, encoding, isCompressed, size, repetitions: repetitionBytes, definitions: definitionBytes } = header;
  const levelBytes = repetitionBytes + definitionBytes;
  if (repetitionBytes < 0 || definitionBytes < 0 || levelBytes > compressed.length) throw new Error(LEVELS_EXCEED_PAGE);
  const levels = Buffer.from(compressed.subarray(0, levelBytes));
  const { isRepeated, definition } = leaf;
  const repetitions = isRepeated ? new HybridReader(levels, 0, repetitionBytes, 1, 1) : undefined;
  const definitions =
    definition > 0 ? new HybridReader(levels, repetitionBytes, levelBytes, numBits(definition), definition) : undefined;
  const values = compressed.subarray(levelBytes);
  const bytes = decompress(isCompressed ? codec : 'UNCOMPRESSED', values, size - levelBytes, memory);
  return { entries, encoding, repetitions, definitions, bytes };
}

/** Returns the error for a page whose levels declare more values than it has. */
export function tooFewValues(count: number): Error {
  return new Error(`its levels declare more than its ${count} values`);
}

/** Opens booleans in runs, which follow the length of their bytes. */
function openBooleans(bytes: Buffer): HybridReader {
  const end = bytes.length < 4 ? Infinity : 4 + bytes.readUInt32LE(0);
  if (end > bytes.length) throw new Error('its values extend past their page');
  return new HybridReader(bytes, 4, end, 1);
}

function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.from(new ArrayBuffer(bytes.length));
  bytes.copy(copy);
  return copy;
}

/** Counts a level among the next `entries`. */
function countLevel(levels: HybridReader, entries: number, level: number): number {
  const some = new Int32Array(STRIDE);
  let found = 0;
  for (let done = 0; done < entries; done += STRIDE) {
    const count = Math.min(STRIDE, entries - done);
    levels.read(some, count);
    for (let i = 0; i < count; i++) if (some[i] === level) found++;
  }
  return found;
}

/** Returns the number of bits of levels up to this one. */
function numBits(level: number): number {
  return 32 - Math.clz32(level);
}
