import { textReader } from '../../features/vocabulary/string-pool.js';
import type { EventStore } from '../../features/event-store.js';
import type { FindEvents } from './event-source.js';

/**
 * Returns a function that finds events of a stream: of the newest ones of a key those before a time.
 * @param log name of the log in the config
 */
export function storeFinder(log: string, store: EventStore): FindEvents {
  return ({ keys, untils, last, columns }) => {
    const offsets = new Uint32Array(keys.length + 1);
    const slots: number[] = [];
    const areKnown: boolean[] = [];
    for (const [i, key] of keys.entries()) {
      const found = store.find(key, untils[i]!);
      for (let f = Math.max(0, found.length - last); f < found.length; f++) slots.push(found[f]!);
      offsets[i + 1] = slots.length;
      areKnown.push(found.length > 0 || store.find(key, Infinity).length > 0);
    }
    const textsOf = (column: string): readonly string[] => slots.map(valueReader(store, column.slice(log.length + 1)));
    return { offsets, areKnown, columns: new Map(columns.map((column) => [column, textsOf(column)])) };
  };
}

/** Creates a function that reads the texts of a column by slot. */
function valueReader(store: EventStore, name: string): (slot: number) => string {
  const index = store.columns.findIndex((column) => column.name === name);
  if (store.columns[index]!.isNumber) return (slot) => String(store.numberAt(index, slot));
  const text = textReader(store.textsOf(index));
  return (slot) => {
    const code = store.codeAt(index, slot);
    return code === 0 ? '' : text(code - 1);
  };
}
