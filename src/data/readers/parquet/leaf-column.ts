import type { ColumnMetaData } from 'hyparquet';
import type { Column } from '../../../chunks/column.js';
import type { Leaf } from './column-plan.js';
import type { PageMemory } from './page-memory.js';
import { PageReader, type IndexContent, type Page, type ValueContent } from './pages.js';
import { ValueBuffer } from './value-buffer.js';
import { STRIDE } from './values.js';

const OFFSET_BYTES = 4;

/** Values of a leaf: one per row, or the items of a list. They are read some rows at a time. */
export class LeafColumn {
  /** Number of appended rows. */
  rows = 0;
  /** Index of the first item of each appended row of a list, and of the item after the last one. */
  readonly offsets: Uint32Array;
  readonly #leaf: Leaf;
  readonly #pages: PageReader;
  readonly #values: ValueBuffer;
  readonly #repetitions = new Int32Array(STRIDE);
  readonly #definitions = new Int32Array(STRIDE);
  /** For each item, the index of its value among those of the entries, or -1. */
  readonly #places = new Int32Array(STRIDE);
  readonly #indices = new Int32Array(STRIDE);
  /** Entries whose levels were read: those before `#at` are done, and all have a value if `#isFull`. */
  #at = 0;
  #count = 0;
  #isFull = false;
  #page: Page | undefined;
  /** Entries of the page whose levels were not read. */
  #entriesLeft = 0;
  /** Values of the page that were appended. */
  #numAppended = 0;
  /** Values of a page without indices, from index `#base` on. */
  #window: ValueContent | undefined;
  #base = 0;

  /** @param capacity maximum number of rows of a slice */
  constructor(leaf: Leaf, memory: PageMemory, capacity: number) {
    this.#leaf = leaf;
    this.#pages = new PageReader(leaf, memory);
    this.#values = new ValueBuffer(leaf.type);
    this.offsets = new Uint32Array(leaf.isRepeated ? capacity + 1 : 0);
  }

  /** Starts to read a chunk; all rows of the chunk before it were read. */
  open(chunk: ColumnMetaData): void {
    this.#pages.open(chunk);
    this.#window = undefined;
  }

  /** Number of the last data page that was read, from 1 on. */
  get page(): number {
    return this.#pages.number;
  }

  /** Returns whether all rows were read. */
  isDone(): boolean {
    return this.#at === this.#count && !this.#refill();
  }

  /** Appends the next rows and returns about how many bytes they take. */
  append(rows: number): number {
    const before = this.#values.bytes;
    const end = this.rows + rows;
    if (this.#leaf.isRepeated) {
      this.#appendLists(end);
      this.offsets[end] = this.#values.size;
    } else
      while (this.rows < end && !this.isDone()) {
        const stop = Math.min(this.#count, this.#at + end - this.rows);
        this.rows += stop - this.#at;
        this.#appendEntries(stop, stop - this.#at);
      }
    if (this.rows < end) throw new Error('it has fewer rows than its row group');
    return this.#values.bytes - before + (this.#leaf.isRepeated ? OFFSET_BYTES * rows : 0);
  }

  /** Returns the values, valid until the next rows are appended, and starts the next slice. */
  take(): Column {
    this.rows = 0;
    return this.#values.take();
  }

  /** Appends lists before row `rowEnd`. A list may continue on the next page. */
  #appendLists(rowEnd: number): void {
    for (let isFirst = true; !this.isDone(); isFirst = false) {
      const [repetitions, definitions, isFull] = [this.#repetitions, this.#definitions, this.#isFull];
      const { item } = this.#leaf;
      let [end, row, items] = [this.#at, this.rows, 0];
      if (isFirst && repetitions[end] !== 0) throw new Error('a list continues without a start');
      for (const { offsets } = this; end < this.#count; end++) {
        const isItem = isFull || definitions[end]! >= item;
        if (repetitions[end] === 0) {
          if (row === rowEnd) break;
          offsets[row++] = this.#values.size + items;
        } else if (!isItem) throw new Error('a list continues with a missing item');
        if (isItem) items++;
      }
      this.rows = row;
      this.#appendEntries(end, items);
      // The next row begins.
      if (end < this.#count) return;
    }
  }

  /** Reads the levels of the next entries; returns false after the last one. */
  #refill(): boolean {
    if (this.#entriesLeft === 0 && !this.#nextPage()) return false;
    const { repetitions, definitions } = this.#page!;
    const count = Math.min(STRIDE, this.#entriesLeft);
    repetitions?.read(this.#repetitions, count);
    this.#isFull = definitions?.skipRun(this.#leaf.definition, count) ?? true;
    if (!this.#isFull) definitions!.read(this.#definitions, count);
    this.#entriesLeft -= count;
    this.#at = 0;
    this.#count = count;
    return true;
  }

  #nextPage(): boolean {
    // Indices may go on: DuckDB pads the last run.
    if (this.#window !== undefined) {
      const numValues = this.#base + this.#window.values.count;
      if (this.#numAppended + this.#window.padding < numValues)
        throw new Error(`it has ${numValues} values, but its levels declare ${this.#numAppended}`);
    }
    this.#page = this.#pages.next();
    if (this.#page === undefined) return false;
    const { entries, content } = this.#page;
    this.#entriesLeft = entries;
    this.#numAppended = 0;
    this.#base = 0;
    this.#window = 'values' in content ? content : undefined;
    return true;
  }

  /** Appends the values of the entries up to `end`, which have so many items. */
  #appendEntries(end: number, items: number): void {
    const { content } = this.#page!;
    const present = this.#isFull ? items : this.#findPresent(this.#at, end);
    const places = this.#isFull ? undefined : this.#places;
    const from = this.#numAppended;
    this.#at = end;
    this.#numAppended += present;
    if ('indices' in content) this.#appendIndices(content, items, places, present);
    else this.#values.append(this.#valuesAt(content, from, present), from - this.#base, items, places, present);
  }

  /** Finds the places of the items of some entries; returns the number of values. */
  #findPresent(begin: number, end: number): number {
    const [definitions, places] = [this.#definitions, this.#places];
    const { definition, item } = this.#leaf;
    let [items, present] = [0, 0];
    for (let i = begin; i < end; i++)
      if (definitions[i]! >= item) places[items++] = definitions[i] === definition ? present++ : -1;
    return present;
  }

  /** Returns values of which the first is `#base`, and which contain `present` ones from index `from` on. */
  #valuesAt(content: ValueContent, from: number, present: number): ValueContent['values'] {
    this.#window ??= content;
    if (from + present > this.#base + this.#window.values.count && content.readFrom !== undefined) {
      this.#window = { ...content, values: content.readFrom(from) };
      this.#base = from;
    }
    const { values } = this.#window;
    if (from + present <= this.#base + values.count) return values;
    throw new Error(`its levels declare more than its ${this.#base + values.count} values`);
  }

  #appendIndices(
    { indices: reader, dictionary }: IndexContent,
    items: number,
    places: Int32Array | undefined,
    present: number,
  ): void {
    const indices = this.#indices;
    const { missing } = dictionary;
    reader.read(indices, present);
    // Unsigned, so that negative indices are too large.
    for (let i = 0; i < present; i++)
      if (indices[i]! >>> 0 >= missing)
        throw new Error(`an index is ${indices[i]}, but its dictionary has ${missing} values`);
    if (places !== undefined)
      for (let i = 0; i < items; i++) places[i] = places[i]! < 0 ? missing : indices[places[i]!]!;
    this.#values.appendIndices(dictionary, places ?? indices, items);
  }
}
