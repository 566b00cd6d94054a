import type { FileHandle } from 'node:fs/promises';
import type { ColumnMetaData } from 'hyparquet';
import type { Leaf } from './column-plan.js';
import type { At } from './leaf-type.js';
import { openPages, type Page } from './pages.js';
import { textCache, type TextBudget } from './text-cache.js';
import type { Values } from './values.js';

/** Entries that are looked at together. */
const STRIDE = 256;

/** Goes through the entries of a column chunk, a few at a time. */
export interface LeafCursor {
  /** Of the entries that are looked at: those up to `at` are done. */
  at: number;
  count: number;
  readonly repetitions: Int32Array;
  readonly definitions: Int32Array;
  /** Where each value is among those that `text` and `number` read, -1 where it is missing. */
  readonly places: Int32Array;
  readonly text: At<string>;
  /** Where the leaf's values are numbers; NaN for one that only its text is exact for. */
  readonly number: At<number>;
  /** Looks at the next entries; false where there are none. */
  refill(): Promise<boolean>;
}

/** A cursor before the first entry of a chunk. */
export function leafCursor(file: FileHandle, chunk: ColumnMetaData, leaf: Leaf, budget: TextBudget): LeafCursor {
  const pages = openPages(file, chunk, leaf);
  const found = new Int32Array(STRIDE);
  let page: Page | undefined;
  let left = 0;
  let numValues = 0;
  let known: Values | undefined;
  let readers: Readers = { text: () => '', number: () => NaN, count: 0 };
  let ofDictionary: Readers = readers;

  const nextPage = async (): Promise<boolean> => {
    page = await pages.next();
    if (page === undefined) return false;
    left = page.entries;
    numValues = 0;
    const { dictionary } = pages;
    if (dictionary !== undefined && dictionary !== known) {
      known = dictionary;
      const plain = readersOf(leaf, dictionary);
      ofDictionary = { ...plain, text: textCache(plain.text, dictionary.count, budget) };
    }
    readers = page.values === undefined ? ofDictionary : readersOf(leaf, page.values);
    return true;
  };

  /** Places of `count` values that are there, in `found`. */
  const findPlaces = (count: number): void => {
    if (page!.places === undefined) for (let i = 0; i < count; i++) found[i] = numValues++;
    else page!.places.read(found, count);
    for (let i = 0; i < count; i++) if (found[i]! < 0 || found[i]! >= readers.count) throw new Error('a value is not there: its page is damaged');
  };

  const cursor: LeafCursor = {
    at: 0,
    count: 0,
    repetitions: new Int32Array(STRIDE),
    definitions: new Int32Array(STRIDE).fill(leaf.definition),
    places: new Int32Array(STRIDE),
    get text() {
      return readers.text;
    },
    get number() {
      return readers.number;
    },
    async refill() {
      if (left === 0 && !(await nextPage())) return false;
      const count = Math.min(STRIDE, left);
      page!.repetitions?.read(cursor.repetitions, count);
      page!.definitions?.read(cursor.definitions, count);
      const { definitions, places } = cursor;
      let there = 0;
      for (let i = 0; i < count; i++) if (definitions[i] === leaf.definition) there++;
      findPlaces(there);
      if (there === count) places.set(found.subarray(0, count));
      else for (let i = 0, next = 0; i < count; i++) places[i] = definitions[i] === leaf.definition ? found[next++]! : -1;
      left -= count;
      cursor.at = 0;
      cursor.count = count;
      return true;
    },
  };
  return cursor;
}

interface Readers {
  readonly text: At<string>;
  readonly number: At<number>;
  readonly count: number;
}

function readersOf({ type }: Leaf, values: Values): Readers {
  return { text: type.text(values), number: type.number?.at(values) ?? (() => NaN), count: values.count };
}
