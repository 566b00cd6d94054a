import type { ColumnMetaData, Encoding } from 'hyparquet';
import { decompress } from './codecs.js';
import type { Leaf } from './column-plan.js';
import { HybridReader } from './hybrid.js';
import { LeafDictionary } from './leaf-dictionary.js';
import { encodingName, readPageHeader, type PageHeader } from './page-header.js';
import type { PageMemory } from './page-memory.js';
import { IndexValues, StoredValues, type PageValues } from './page-values.js';
import { NO_VALUES, readValues, STRIDE, ValueStore, type Values } from './values.js';

/** Entries of a column chunk: a level for each, and values for those that are not null. Valid until the next page. */
export interface Page {
  readonly entries: number;
  /** For a list: 0 for the first entry of a row, 1 for the following ones. */
  readonly repetitions: HybridReader | undefined;
  /** If a value may be null. */
  readonly definitions: HybridReader | undefined;
  readonly values: PageValues;
}

/** Bytes of a page, valid until the next read. */
interface PageParts {
  readonly repetitions: Buffer;
  readonly definitions: Buffer;
  readonly values: Buffer;
}

/** Most headers are smaller. */
const HEADER_BYTES = 1 << 12;
/** A header may contain the minimum and the maximum of its page. */
const MAX_HEADER_BYTES = 1 << 24;
/** Memory after the bytes of a page, so that its last bits can be read as a word. */
const WORD_BYTES = 4;
/** Booleans are indices into these. */
const BOOLEANS: Values = { ...NO_VALUES, bytes: Buffer.of(0, 1), width: 1, count: 2 };
const NO_BYTES = Buffer.alloc(0);

/** Reads the pages of one column chunk after the other, in order. */
export class PageReader {
  /** Number of data pages of the chunk that were read. */
  number = 0;
  readonly #leaf: Leaf;
  readonly #memory: PageMemory;
  #chunk: ColumnMetaData | undefined;
  #at = 0;
  #end = 0;
  #entriesLeft = 0;
  /** The dictionary page, and its values unless they exceed the memory of a column. */
  #dictionaryPage: { readonly header: PageHeader; read(): Buffer } | undefined;
  #dictionary: LeafDictionary | undefined;
  /** Memory of a page, reused by the next one, and of its values. */
  #own = NO_BYTES;
  readonly #copies: ValueStore;

  constructor(leaf: Leaf, memory: PageMemory) {
    this.#leaf = leaf;
    this.#memory = memory;
    this.#copies = new ValueStore(leaf.stored.width);
  }

  /**
   * Starts to read a chunk.
   * @throws Error if it has another type than the schema
   */
  open(chunk: ColumnMetaData): void {
    const { type } = this.#leaf.stored;
    this.number = 0;
    if (chunk.type !== type) throw new Error(`its values are stored as ${chunk.type}, not as ${type}`);
    this.#chunk = chunk;
    this.#dictionaryPage = this.#dictionary = undefined;
    const dictionaryAt = Number(chunk.dictionary_page_offset ?? 0);
    const dataAt = Number(chunk.data_page_offset);
    this.#at = dictionaryAt === 0 ? dataAt : Math.min(dataAt, dictionaryAt);
    this.#end = this.#at + Number(chunk.total_compressed_size);
    this.#entriesLeft = Number(chunk.num_values);
  }

  /** Reads the next data page; undefined after the last one. */
  next(): Page | undefined {
    while (this.#entriesLeft > 0) {
      const header = this.#readHeader();
      const { kind, compressedSize, entries } = header;
      const at = this.#at;
      if (compressedSize < 0 || at + compressedSize > this.#end) throw new Error('a page extends past its column');
      this.#at += compressedSize;
      const read = (): PageParts => this.#split(header, this.#memory.read(at, compressedSize));
      if (kind === 'dictionary') {
        this.#dictionaryPage = { header, read: () => read().values };
        this.#dictionary = undefined;
      } else if (kind !== undefined) {
        this.number++;
        if (entries < 0 || entries > this.#entriesLeft)
          throw new Error(`a page has ${entries} values, but only ${this.#entriesLeft} remain`);
        this.#entriesLeft -= entries;
        if (entries > 0) return this.#page(header, read);
      }
    }
    return undefined;
  }

  #readHeader(): PageHeader {
    for (let length = HEADER_BYTES; ; length *= 8) {
      const bytes = this.#memory.read(this.#at, Math.min(length, this.#end - this.#at));
      try {
        const header = readPageHeader(bytes);
        this.#at += header.length;
        return header;
      } catch (error) {
        // The header may be longer than the bytes.
        if (length >= Math.min(this.#end - this.#at, MAX_HEADER_BYTES))
          throw new Error('the header of a page is damaged', { cause: error });
      }
    }
  }

  /** Decompresses a page. The levels of a version 2 page are not compressed; others follow their length. */
  #split(header: PageHeader, stored: Buffer): PageParts {
    const { kind, size, repetitions: repetitionBytes, definitions: definitionBytes } = header;
    const isV2 = kind === 'dataV2';
    const levelBytes = isV2 ? repetitionBytes + definitionBytes : 0;
    if (isV2 && !(repetitionBytes >= 0 && definitionBytes >= 0 && levelBytes <= stored.length)) throw levelsExceed();
    const codec = isV2 && !header.isCompressed ? 'UNCOMPRESSED' : this.#chunk!.codec;
    const memoryOf = (length: number): Buffer => this.#memory.output(length);
    const values = decompress(codec, stored.subarray(levelBytes), size - levelBytes, memoryOf);
    if (isV2) {
      const repetitions = stored.subarray(0, repetitionBytes);
      return { repetitions, definitions: stored.subarray(repetitionBytes, levelBytes), values };
    }
    let at = 0;
    const levels = (highest: number, encodingNumber: number): Buffer => {
      if (highest === 0 || kind === 'dictionary') return NO_BYTES;
      const encoding = encodingName(encodingNumber);
      if (encoding !== 'RLE') throw new Error(`the encoding ${encoding} of its levels is not supported`);
      const begin = at + 4;
      at = begin + (begin <= values.length ? values.readUInt32LE(at) : 0);
      if (at > values.length) throw levelsExceed();
      return values.subarray(begin, at);
    };
    const repetitions = levels(this.#leaf.repetition, repetitionBytes);
    const definitions = levels(this.#leaf.definition, definitionBytes);
    return { repetitions, definitions, values: values.subarray(at) };
  }

  #page(header: PageHeader, read: () => PageParts): Page {
    const { encoding, entries } = header;
    const { repetition, definition } = this.#leaf;
    const isIndexed = encoding === 'PLAIN_DICTIONARY' || encoding === 'RLE_DICTIONARY';
    const parts = read();
    const size = Math.max(parts.values.length, isIndexed ? (this.#dictionaryPage?.header.size ?? 0) : 0);
    // Values that are no indices are copied, as many as the memory of a column allows.
    const isCopied = isIndexed ? size > this.#memory.windowBytes : this.#leaf.stored.type !== 'BOOLEAN';
    const { values, repetitions, definitions } = this.#keep(isCopied ? { ...parts, values: NO_BYTES } : parts);
    const copy = (from: PageParts, index: number): Values => this.#copy(header, from.values, isIndexed, index);
    return {
      entries,
      repetitions: repetition > 0 ? new HybridReader(repetitions, numBits(repetition), repetition) : undefined,
      definitions: definition > 0 ? new HybridReader(definitions, numBits(definition), definition) : undefined,
      values: isCopied
        ? new StoredValues(copy(parts, 0), (index) => copy(read(), index), isIndexed)
        : isIndexed
          ? new IndexValues(indexReader(values), this.#openDictionary())
          : this.#booleans(encoding, values),
    };
  }

  #booleans(encoding: Encoding, bytes: Buffer): PageValues {
    this.#dictionary ??= new LeafDictionary(BOOLEANS, this.#leaf.type, 0);
    if (encoding === 'PLAIN') return new IndexValues(new HybridReader(bytes, 1).packed(), this.#dictionary);
    if (encoding !== 'RLE') throw new Error(`its encoding ${encoding} of BOOLEAN is not supported`);
    const end = bytes.length < 4 ? bytes.length : 4 + bytes.readUInt32LE(0);
    if (end > bytes.length) throw new Error('its values extend past their page');
    return new IndexValues(new HybridReader(bytes.subarray(4, end), 1), this.#dictionary);
  }

  /** Copies the parts of a page. */
  #keep({ values, repetitions, definitions }: PageParts): PageParts {
    const size = values.length + repetitions.length + definitions.length + WORD_BYTES;
    if (this.#own.length < size) this.#own = Buffer.allocUnsafeSlow(size);
    let end = 0;
    const keep = (part: Buffer): Buffer => this.#own.subarray(end, (end += part.copy(this.#own, end)));
    return { values: keep(values), repetitions: keep(repetitions), definitions: keep(definitions) };
  }

  #openDictionary(): LeafDictionary {
    if (this.#dictionary !== undefined) return this.#dictionary;
    const bytes = this.#dictionaryPage?.read() ?? NO_BYTES;
    const own = Buffer.from(new ArrayBuffer(bytes.length));
    bytes.copy(own);
    return (this.#dictionary = new LeafDictionary(this.#readDictionary(own), this.#leaf.type, this.#memory.textBytes));
  }

  #readDictionary(bytes: Buffer): Values {
    const entries = this.#dictionaryPage?.header.entries;
    return entries === undefined ? NO_VALUES : this.#readValues('PLAIN', bytes, entries);
  }

  #readValues(encoding: Encoding, bytes: Buffer, limit: number): Values {
    const values = readValues(this.#leaf.stored, encoding, bytes, limit);
    const { isChecked, text } = this.#leaf.type;
    if (isChecked === true) for (let i = 0; i < values.count; i++) text(values, i);
    return values;
  }

  /** Copies values from an index on: the values of a stride, and more up to the memory of a column. */
  #copy({ encoding, entries }: PageHeader, bytes: Buffer, isIndexed: boolean, index: number): Values {
    const { windowBytes } = this.#memory;
    const copies = this.#copies;
    if (!isIndexed) {
      const values = this.#readValues(encoding, bytes, entries);
      const step = bytes.length <= windowBytes ? values.count : STRIDE;
      for (let from = index; from < values.count && copies.size < windowBytes; from += step)
        copies.append(values, from, Math.min(step, values.count - from));
      return copies.take();
    }
    const reader = indexReader(bytes);
    const indices = new Int32Array(Math.max(STRIDE, Math.min(entries - index, windowBytes >> 2)));
    for (let passed = 0; passed < index; passed += indices.length)
      reader.read(indices, Math.min(indices.length, index - passed));
    const next = indices.subarray(0, reader.readUpTo(indices, indices.length));
    const dictionary = this.#readDictionary(this.#dictionaryPage?.read() ?? NO_BYTES);
    for (const [i, place] of next.entries()) {
      if (place >>> 0 >= dictionary.count || (i >= STRIDE && copies.size >= windowBytes)) break;
      copies.append(dictionary, place, 1);
    }
    return copies.take();
  }
}

/** The number of bits precedes indices. A page without values does not have it. */
function indexReader(bytes: Buffer): HybridReader {
  return new HybridReader(bytes.subarray(1), bytes[0] ?? 1);
}

function levelsExceed(): Error {
  return new Error('its levels extend past their page');
}

/** Returns the number of bits of levels up to this one. */
function numBits(level: number): number {
  return 32 - Math.clz32(level);
}
