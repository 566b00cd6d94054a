import type { Column, Lists } from '../../chunks/column.js';
import { numberColumn } from '../../features/computed.js';
import type { EventStore } from '../../features/event-store.js';
import { utf8Column } from '../../features/utf8-column.js';

/**
 * Reads the events of rows in a store as lists, one per column of the store.
 * @param found slots of the events of each row, valid until the next ones are requested
 */
export function readLists(store: EventStore, found: Iterable<Uint32Array>): readonly Lists[] {
  const offsets = [0];
  /** Numbers, or codes of texts, by column. */
  const values = store.columns.map((): number[] => []);
  for (const slots of found) {
    offsets.push(offsets.at(-1)! + slots.length);
    for (const [c, { isNumber }] of store.columns.entries())
      for (const slot of slots) values[c]!.push(isNumber ? store.numberAt(c, slot) : store.codeAt(c, slot));
  }
  return store.columns.map(({ isNumber }, c) => ({
    offsets: Uint32Array.from(offsets),
    items: isNumber ? numberColumn(Float64Array.from(values[c]!)) : textColumn(store, c, values[c]!),
  }));
}

/** Returns the texts with some codes as a column. */
function textColumn(store: EventStore, c: number, codes: readonly number[]): Column {
  const { bytes, offsets } = store.textsOf(c);
  const begins = Uint32Array.from(codes, (code) => (code === 0 ? 0 : offsets[code - 1]!));
  const ends = Uint32Array.from(codes, (code) => (code === 0 ? 0 : offsets[code]!));
  return utf8Column({ bytes, begins, ends, stride: 1, gap: 0 }, codes.length);
}
