import type { Column, Lists } from '../../chunks/column.js';
import { numberColumn } from '../../features/computed.js';
import type { EventStore } from '../../features/event-store.js';
import { utf8Column } from '../../features/utf8-column.js';

/** Collects the events of rows in a store as lists, one per column of the store. */
export class HistoryLists {
  readonly #store: EventStore;
  readonly #offsets: Uint32Array;
  /** Numbers, or codes of texts, by column. */
  readonly #values: readonly number[][];
  #row = 0;

  constructor(store: EventStore, rows: number) {
    this.#store = store;
    this.#offsets = new Uint32Array(rows + 1);
    this.#values = store.columns.map(() => []);
  }

  /** Adds the next row, with the events in some slots. */
  add(slots: Uint32Array): void {
    this.#offsets[this.#row + 1] = this.#offsets[this.#row]! + slots.length;
    this.#row++;
    for (const [c, { isNumber }] of this.#store.columns.entries()) {
      const own = this.#values[c]!;
      for (const slot of slots) own.push(isNumber ? this.#store.numberAt(c, slot) : this.#store.codeAt(c, slot));
    }
  }

  /** Returns the lists of all rows of a column. */
  lists(c: number): Lists {
    const values = this.#values[c]!;
    const { isNumber } = this.#store.columns[c]!;
    const items = isNumber ? numberColumn(Float64Array.from(values)) : textColumn(this.#store, c, values);
    return { offsets: this.#offsets, items };
  }
}

/** Returns the texts with some codes as a column. */
function textColumn(store: EventStore, c: number, codes: readonly number[]): Column {
  const { bytes, offsets } = store.textsOf(c);
  const begins = Uint32Array.from(codes, (code) => (code === 0 ? 0 : offsets[code - 1]!));
  const ends = Uint32Array.from(codes, (code) => (code === 0 ? 0 : offsets[code]!));
  return utf8Column({ bytes, begins, ends, stride: 1, gap: 0 }, codes.length);
}
