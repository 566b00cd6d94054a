import type { ColumnMetaData } from 'hyparquet';
import type { Column, TypedValue } from '../../../chunks/column.js';
import { grown } from '../../../core/grown.js';
import type { Leaf } from './column-plan.js';
import type { PageMemory } from './page-memory.js';
import { PageReader, type Page } from './pages.js';
import { ValueBuffer } from './value-buffer.js';
import { STRIDE } from './values.js';

const OFFSET_BYTES = 4;
/** For the entries of one call: the index of each value among those that are not null, or -1. */
const places = new Int32Array(STRIDE);

/** Values of a leaf: one per row, or the items of a list. They are read some rows at a time. */
export class LeafColumn {
  /** Number of appended rows. */
  rows = 0;
  /** Index of the first item of each appended row of a list, and of the item after the last one. */
  readonly offsets: Uint32Array;
  /** For each appended row of a list: 1 if it is null rather than empty. */
  readonly #nulls: Uint8Array;
  /** Number of appended items that are lists, and the index of the first value of each. */
  #numItems = 0;
  #itemOffsets = new Uint32Array(0);
  readonly #leaf: Leaf;
  readonly #pages: PageReader;
  readonly #values: ValueBuffer;
  readonly #repetitions = new Int32Array(STRIDE);
  readonly #definitions = new Int32Array(STRIDE);
  /** Entries whose levels were read: those before `#at` are done, and all have a value if `#isFull`. */
  #at = 0;
  #count = 0;
  #isFull = false;
  #page: Page | undefined;
  /** Entries of the page whose levels were not read. */
  #entriesLeft = 0;

  /** @param capacity maximum number of rows of a slice */
  constructor(leaf: Leaf, memory: PageMemory, capacity: number) {
    this.#leaf = leaf;
    this.#pages = new PageReader(leaf, memory);
    this.#values = new ValueBuffer(leaf.type, leaf.stored.width);
    this.offsets = new Uint32Array(leaf.repetition > 0 ? capacity + 1 : 0);
    this.#nulls = new Uint8Array(leaf.repetition > 0 ? capacity : 0);
  }

  /** Starts to read a chunk; all rows of the chunk before it were read. */
  open(chunk: ColumnMetaData): void {
    this.#pages.open(chunk);
    this.#page = undefined;
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
    if (this.#leaf.repetition > 0) {
      this.#appendLists(end);
      this.offsets[end] = this.#leaf.repetition === 2 ? this.#numItems : this.#values.size;
    } else
      while (this.rows < end && !this.isDone()) {
        const stop = Math.min(this.#count, this.#at + end - this.rows);
        this.rows += stop - this.#at;
        this.#appendEntries(stop, stop - this.#at);
      }
    if (this.rows < end) throw new Error('it has fewer rows than its row group');
    return this.#values.bytes - before + (this.#leaf.repetition > 0 ? OFFSET_BYTES * rows : 0);
  }

  /** Returns the index of the first value of each item that is a list, and of the value after the last one. */
  itemOffsets(): Uint32Array {
    this.#itemOffsets = grown(this.#itemOffsets, this.#numItems + 1);
    this.#itemOffsets[this.#numItems] = this.#values.size;
    return this.#itemOffsets.subarray(0, this.#numItems + 1);
  }

  /** Returns a function that reads lists with `read`, and is null for a list that is null. */
  nullable(read: (row: number) => TypedValue): (row: number) => TypedValue {
    return (row) => (this.#nulls[row] === 1 ? null : read(row));
  }

  /** Returns the values, valid until the next rows are appended, and starts the next slice. */
  take(): Column {
    this.rows = this.#numItems = 0;
    return this.#values.take();
  }

  /** Appends lists before row `rowEnd`. A list may continue on the next page. */
  #appendLists(rowEnd: number): void {
    for (let isFirst = true; !this.isDone(); isFirst = false) {
      const [repetitions, definitions, isFull] = [this.#repetitions, this.#definitions, this.#isFull];
      const { item, inner = item, repetition } = this.#leaf;
      const [offsets, first] = [this.offsets, this.#values.size];
      let [end, row, items] = [this.#at, this.rows, 0];
      if (repetition === 2) this.#itemOffsets = grown(this.#itemOffsets, this.#numItems + this.#count);
      if (isFirst && repetitions[end] !== 0) throw new Error('a list continues without a start');
      for (; end < this.#count; end++) {
        const isItem = isFull || definitions[end]! >= item;
        if (repetitions[end] === 0) {
          if (row === rowEnd) break;
          this.#nulls[row] = Number(!isFull && definitions[end]! < item - 1);
          offsets[row++] = repetition === 2 ? this.#numItems : first + items;
        } else if (!isItem) throw new Error('a list continues with a missing item');
        const isValue = isFull || definitions[end]! >= inner;
        if (repetition === 2 && isItem && repetitions[end]! < 2) this.#itemOffsets[this.#numItems++] = first + items;
        else if (!isValue && repetitions[end] === 2) throw new Error('a list continues with a missing value');
        if (isValue) items++;
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
    this.#page?.values.end();
    this.#page = this.#pages.next();
    this.#entriesLeft = this.#page?.entries ?? 0;
    return this.#page !== undefined;
  }

  /** Appends the values of the entries up to `end`, which have so many items. */
  #appendEntries(end: number, items: number): void {
    const present = this.#isFull ? items : this.#findPresent(this.#at, end);
    this.#at = end;
    this.#page!.values.appendTo(this.#values, items, this.#isFull ? undefined : places, present);
  }

  /** Finds the places of the items of some entries; returns the number of values. */
  #findPresent(begin: number, end: number): number {
    const definitions = this.#definitions;
    const { definition, item, inner = item } = this.#leaf;
    let [items, present] = [0, 0];
    for (let i = begin; i < end; i++)
      if (definitions[i]! >= inner) places[items++] = definitions[i] === definition ? present++ : -1;
    return present;
  }
}
