import type { ColumnMetaData } from 'hyparquet';
import type { Leaf } from './column-plan.js';
import { LeafDictionary } from './leaf-dictionary.js';
import type { LeafSlice } from './leaf-slice.js';
import { STRIDE, type PageMemory } from './page-memory.js';
import { PageReader, tooFewValues, type Page } from './pages.js';
import type { Values } from './values.js';

const TOO_FEW_ROWS = 'it has fewer rows than its row group';
/** Booleans are padded to a byte. */
const BIT_PADDING = 7;

/** Reads the entries of a column chunk in order, and appends their values to a slice. */
export class LeafReader {
  readonly #leaf: Leaf;
  readonly #memory: PageMemory;
  readonly #pages: PageReader;
  /** Level of an item that exists, even if it is null; 0 for a flat column. */
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

  /** @param item level of a list's item that exists */
  constructor(chunk: ColumnMetaData, leaf: Leaf, memory: PageMemory, item = 0) {
    this.#leaf = leaf;
    this.#memory = memory;
    this.#pages = new PageReader(chunk, leaf, memory);
    this.#item = item;
  }

  /** Number of the last data page that was read, from 1 on. */
  get page(): number {
    return this.#pages.number;
  }

  /** Returns whether all entries are done. */
  async isDone(): Promise<boolean> {
    return this.#at === this.#count && !(await this.#refill());
  }

  /** Appends the next rows of a flat column. */
  async appendRows(slice: LeafSlice, rows: number): Promise<void> {
    for (let done = 0; done < rows;) {
      if (await this.isDone()) throw new Error(TOO_FEW_ROWS);
      const end = Math.min(this.#count, this.#at + rows - done);
      done += end - this.#at;
      await this.#appendEntries(slice, end, end - this.#at);
    }
  }

  /** Appends the next rows of a list, and writes to `offsets` from `first` on the first item of each, and the end. */
  async appendLists(slice: LeafSlice, rows: number, offsets: Uint32Array, first: number): Promise<void> {
    for (let begun = 0; ;) {
      if (this.#at === this.#count && !(await this.#refill())) {
        if (begun < rows) throw new Error(TOO_FEW_ROWS);
        break;
      }
      if (begun === 0 && this.#repetitions[this.#at] !== 0) throw new Error('a list continues without a start');
      const { end, items, rows: more } = this.#scanRows(slice.size, rows - begun, offsets, first + begun);
      begun += more;
      await this.#appendEntries(slice, end, items);
      if (end < this.#count) break;
    }
    offsets[first + rows] = slice.size;
  }

  /** Finds the entries of at most `rows` rows that begin in the current entries, and of the row before them. */
  #scanRows(
    size: number,
    rows: number,
    offsets: Uint32Array,
    first: number,
  ): { readonly end: number; readonly items: number; readonly rows: number } {
    const [repetitions, definitions] = [this.#repetitions, this.#definitions];
    const [at, count, item] = [this.#at, this.#count, this.#item];
    let begun = 0;
    let end = at;
    if (this.#isFull) {
      for (; end < count && (repetitions[end] !== 0 || begun < rows); end++)
        if (repetitions[end] === 0) offsets[first + begun++] = size + end - at;
      return { end, items: end - at, rows: begun };
    }
    let items = 0;
    for (; end < count && (repetitions[end] !== 0 || begun < rows); end++) {
      if (repetitions[end] === 0) offsets[first + begun++] = size + items;
      else if (definitions[end]! < item) throw new Error('a list continues with a missing item');
      if (definitions[end]! >= item) items++;
    }
    return { end, items, rows: begun };
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
  async #appendEntries(slice: LeafSlice, end: number, items: number): Promise<void> {
    const begin = this.#at;
    this.#at = end;
    const present = this.#isFull ? items : this.#findPresent(begin, end);
    const from = this.#numAppended;
    this.#numAppended += present;
    if (this.#plain === undefined) {
      this.#appendPlaces(slice, items, present);
      return;
    }
    if (from + present > this.#base + this.#plain.count) {
      this.#plain = await this.#page!.plain!.readFrom(from);
      this.#base = from;
    }
    if (from + present > this.#base + this.#plain.count) throw tooFewValues(this.#base + this.#plain.count);
    if (this.#isFull) slice.appendPlain(this.#plain, from - this.#base, items);
    else slice.appendOptional(this.#plain, from - this.#base, this.#places, items);
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

  #appendPlaces(slice: LeafSlice, items: number, present: number): void {
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
    slice.appendPlaces(dictionary, this.#isFull ? found : places, items);
  }
}

/** For a chunk without a dictionary, all of whose values are null. */
const NO_VALUES: Values = { kind: 'bytes', bytes: Buffer.alloc(0), begins: new Uint32Array(1), gap: 0, count: 0 };
