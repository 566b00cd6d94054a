import type { ColumnMetaData } from 'hyparquet';
import type { Column } from '../../../chunks/column.js';
import type { Leaf } from './column-plan.js';
import { LeafDictionary } from './leaf-dictionary.js';
import { createLeafSlice, type LeafSlice } from './leaf-slice.js';
import { STRIDE, type PageMemory } from './page-memory.js';
import { PageReader, tooFewValues, type Page } from './pages.js';
import type { Values } from './values.js';

const TOO_FEW_ROWS = 'it has fewer rows than its row group';
/** Booleans are padded to a byte. */
const BIT_PADDING = 7;

/** Bytes of a number, and of one that may need a text. */
const [NUMBER_BYTES, LARGE_NUMBER_BYTES] = [8, 64];
const OFFSET_BYTES = 4;

/** A column of a row group, read some rows at a time. Its memory is reused for the next rows. */
export interface SliceColumn {
  /** Bytes per row if they do not depend on the values. */
  readonly rowBytes?: number;
  /** Number of the last data page that was read, from 1 on. */
  readonly page: number;
  /** Appends the next rows and returns about how many bytes they take. */
  append(rows: number): Promise<number>;
  /** Returns the appended rows, valid until the next `append`. */
  take(): Column;
  /** Returns whether all rows were read. */
  isDone(): Promise<boolean>;
}

/** Values of a leaf: one per row, or the items of a list. */
export class LeafColumn implements SliceColumn {
  readonly rowBytes?: number;
  /** Index of the first item of each appended row of a list, and of the item after the last one. */
  readonly offsets: Uint32Array;
  readonly #leaf: Leaf;
  readonly #memory: PageMemory;
  readonly #pages: PageReader;
  readonly #slice: LeafSlice;
  /** Level of an item that exists, even if it is null. */
  readonly #item: number;
  readonly #repetitions = new Int32Array(STRIDE);
  readonly #definitions = new Int32Array(STRIDE);
  readonly #places = new Int32Array(STRIDE);
  readonly #found = new Int32Array(STRIDE);
  /** Entries whose levels were read: those before `#at` are done, and all have a value if `#isFull`. */
  #at = 0;
  #count = 0;
  #isFull = false;
  #page: Page | undefined;
  /** Entries of the page whose levels were not read. */
  #entriesLeft = 0;
  /** Values of the page that were appended. */
  #numAppended = 0;
  /** Plain values of the page from index `#base` on. */
  #plain: Values | undefined;
  #base = 0;
  #dictionary: LeafDictionary | undefined;
  /** Rows of a list that were appended. */
  #rows = 0;

  /**
   * @param capacity maximum number of rows of a slice
   * @param item level of a list's item that exists; 0 for a column of single values
   */
  constructor(chunk: ColumnMetaData, leaf: Leaf, memory: PageMemory, capacity: number, item = 0) {
    this.#leaf = leaf;
    this.#memory = memory;
    this.#pages = new PageReader(chunk, leaf, memory);
    this.#slice = createLeafSlice(leaf, capacity);
    this.#item = item;
    this.offsets = new Uint32Array(leaf.isRepeated ? capacity + 1 : 0);
    const { number } = leaf.type;
    if (number !== undefined && !leaf.isRepeated)
      this.rowBytes = number.inexact === 'large' ? LARGE_NUMBER_BYTES : NUMBER_BYTES;
  }

  get page(): number {
    return this.#pages.number;
  }

  /** Number of appended rows of a list. */
  get rows(): number {
    return this.#rows;
  }

  async isDone(): Promise<boolean> {
    return this.#at === this.#count && !(await this.#refill());
  }

  async append(rows: number): Promise<number> {
    const before = this.#slice.bytes;
    await (this.#leaf.isRepeated ? this.#appendLists(rows) : this.#appendValues(rows));
    return this.#slice.bytes - before + (this.#leaf.isRepeated ? OFFSET_BYTES * rows : 0);
  }

  take(): Column {
    this.#rows = 0;
    return this.#slice.take();
  }

  async #appendValues(rows: number): Promise<void> {
    for (let done = 0; done < rows;) {
      if (await this.isDone()) throw new Error(TOO_FEW_ROWS);
      const end = Math.min(this.#count, this.#at + rows - done);
      done += end - this.#at;
      await this.#appendEntries(end, end - this.#at);
    }
  }

  async #appendLists(rows: number): Promise<void> {
    const end = this.#rows + rows;
    for (let isFirst = true; !(await this.isDone()); isFirst = false) {
      if (isFirst && this.#repetitions[this.#at] !== 0) throw new Error('a list continues without a start');
      await this.#appendItems(end);
      // The next row begins.
      if (this.#at < this.#count) break;
    }
    if (this.#rows < end) throw new Error(TOO_FEW_ROWS);
    this.offsets[end] = this.#slice.size;
  }

  /** Appends the current entries, or those before row `rowEnd`. */
  async #appendItems(rowEnd: number): Promise<void> {
    const { offsets } = this;
    const [repetitions, definitions] = [this.#repetitions, this.#definitions];
    const [at, count, item, size] = [this.#at, this.#count, this.#item, this.#slice.size];
    let row = this.#rows;
    let end = at;
    let items = 0;
    if (this.#isFull) {
      for (; end < count && (repetitions[end] !== 0 || row < rowEnd); end++)
        if (repetitions[end] === 0) offsets[row++] = size + end - at;
      items = end - at;
    } else {
      for (; end < count && (repetitions[end] !== 0 || row < rowEnd); end++) {
        if (repetitions[end] === 0) offsets[row++] = size + items;
        else if (definitions[end]! < item) throw new Error('a list continues with a missing item');
        if (definitions[end]! >= item) items++;
      }
    }
    this.#rows = row;
    await this.#appendEntries(end, items);
  }

  /** Reads the levels of the next entries; returns false after the last one. */
  async #refill(): Promise<boolean> {
    if (this.#entriesLeft === 0 && !(await this.#nextPage())) return false;
    const { repetitions, definitions } = this.#page!;
    const count = Math.min(STRIDE, this.#entriesLeft);
    repetitions?.read(this.#repetitions, count);
    this.#isFull = definitions === undefined || definitions.skipRun(this.#leaf.definition, count);
    if (!this.#isFull) definitions!.read(this.#definitions, count);
    this.#entriesLeft -= count;
    this.#at = 0;
    this.#count = count;
    return true;
  }

  async #nextPage(): Promise<boolean> {
    this.#checkEnd();
    this.#page = await this.#pages.next();
    if (this.#page === undefined) return false;
    const { entries, plain, dictionary } = this.#page;
    this.#entriesLeft = entries;
    this.#numAppended = 0;
    this.#base = 0;
    this.#plain = plain?.first;
    if (dictionary !== undefined && dictionary !== this.#dictionary?.values)
      this.#dictionary = new LeafDictionary(dictionary, this.#leaf, this.#memory);
    return true;
  }

  /** Checks that a page has no more values than its levels declare. Indices may go on: DuckDB pads the last run. */
  #checkEnd(): void {
    if (this.#plain === undefined) return;
    const numValues = this.#base + this.#plain.count;
    if (this.#numAppended + (this.#plain.kind === 'bits' ? BIT_PADDING : 0) < numValues)
      throw new Error(`it has ${numValues} values, but its levels declare ${this.#numAppended}`);
  }

  /** Appends the values of the entries up to `end`, which have so many items. */
  async #appendEntries(end: number, items: number): Promise<void> {
    const begin = this.#at;
    this.#at = end;
    const present = this.#isFull ? items : this.#findPresent(begin, end);
    const from = this.#numAppended;
    this.#numAppended += present;
    if (this.#plain === undefined) {
      this.#appendPlaces(items, present);
      return;
    }
    if (from + present > this.#base + this.#plain.count) {
      this.#plain = await this.#page!.plain!.readFrom(from);
      this.#base = from;
    }
    if (from + present > this.#base + this.#plain.count) throw tooFewValues(this.#base + this.#plain.count);
    if (this.#isFull) this.#slice.appendPlain(this.#plain, from - this.#base, items);
    else this.#slice.appendOptional(this.#plain, from - this.#base, this.#places, items);
  }

  /** Writes to `#places` for each item the index of its value among those of the entries, or -1; counts the values. */
  #findPresent(begin: number, end: number): number {
    const definitions = this.#definitions;
    const places = this.#places;
    const level = this.#leaf.definition;
    const item = this.#item;
    let items = 0;
    let present = 0;
    for (let i = begin; i < end; i++)
      if (definitions[i]! >= item) places[items++] = definitions[i] === level ? present++ : -1;
    return present;
  }

  #appendPlaces(items: number, present: number): void {
    const [found, places] = [this.#found, this.#places];
    const dictionary = (this.#dictionary ??= new LeafDictionary(NO_VALUES, this.#leaf, this.#memory));
    const { missing } = dictionary;
    if (present > 0) {
      const reader = this.#page!.places;
      if (reader === undefined) throw tooFewValues(0);
      reader.read(found, present);
      // Unsigned, so that negative indices are too large.
      for (let i = 0; i < present; i++)
        if (found[i]! >>> 0 >= missing)
          throw new Error(`an index is ${found[i]}, but its dictionary has ${missing} values`);
    }
    if (!this.#isFull) for (let i = 0; i < items; i++) places[i] = places[i]! < 0 ? missing : found[places[i]!]!;
    this.#slice.appendPlaces(dictionary, this.#isFull ? found : places, items);
  }
}

/** For a chunk without a dictionary, all of whose values are null. */
const NO_VALUES: Values = { kind: 'bytes', bytes: Buffer.alloc(0), begins: new Uint32Array(1), gap: 0, count: 0 };
