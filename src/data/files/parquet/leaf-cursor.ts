import type { ColumnMetaData } from 'hyparquet';
import type { Leaf } from './column-plan.js';
import type { At, RawNumbers } from './leaf-type.js';
import { STRIDE, type PageMemory } from './page-memory.js';
import { openPages, tooFewValues, type Page } from './pages.js';
import { textCache } from './text-cache.js';
import type { Values } from './values.js';

/** Goes through the entries of a column chunk, a few at a time. */
export interface LeafCursor {
  /** Of the entries that are looked at: those up to `at` are done. */
  at: number;
  count: number;
  /** Number of the data page that was read last, from 1 on. */
  readonly page: number;
  readonly repetitions: Int32Array;
  readonly definitions: Int32Array;
  /** Where each value is among those that `text` and `number` read, -1 where it is missing. */
  readonly places: Int32Array;
  readonly text: At<string>;
  /** Where the leaf's values are numbers; NaN for one that only its text is exact for. */
  readonly number: At<number>;
  /** Looks at the next entries; false where there are none. */
  refill(): Promise<boolean>;
  /**
   * Reads the numbers of the next `rows` entries of a flat column into `into` from `at` on: NaN for a missing value,
   * and for one whose text `onText` receives. Skips entries that were peeked.
   */
  readNumbers(into: Float64Array, at: number, rows: number, onText: (at: number, text: string) => void): Promise<void>;
}

/** A cursor before the first entry of a chunk. */
export function leafCursor(chunk: ColumnMetaData, leaf: Leaf, memory: PageMemory): LeafCursor {
  const pages = openPages(chunk, leaf, memory);
  const found = new Int32Array(STRIDE);
  const texts = new Array<string | undefined>(STRIDE).fill(undefined);
  let page: Page | undefined;
  let left = 0;
  /** Values of the page that were passed, and the first of those that are kept. */
  let passed = 0;
  let base = 0;
  let dictionary: Values | undefined;
  let readers = NONE;

  /**
   * Checks that the page which was read has no more values than its levels claimed. Runs of levels may go on: DuckDB
   * fills up the last one.
   */
  const checkEnd = async ({ values }: Page): Promise<void> => {
    if (values === undefined) return;
    if (readers === NONE) readers = readersOf(leaf, await values(0));
    const numValues = base + readers.count;
    if (passed + readers.padding < numValues)
      throw new Error(`it has ${numValues} values, but its levels declare ${passed}`);
  };

  const nextPage = async (): Promise<boolean> => {
    if (page !== undefined) await checkEnd(page);
    page = await pages.next();
    if (page === undefined) return false;
    left = page.entries;
    passed = 0;
    base = 0;
    if (page.values !== undefined) readers = NONE;
    else if (pages.dictionary !== undefined && pages.dictionary !== dictionary) {
      const plain = readersOf(leaf, pages.dictionary);
      readers = {
        ...plain,
        text: textCache(plain.text, plain.count, memory),
        mayBeNaN: plain.mayBeNaN && (plain.raw === undefined || holdsNaN(plain.raw)),
      };
    }
    ({ dictionary } = pages);
    return true;
  };

  /** Places of `count` values that are there, in `found`. */
  const findPlaces = async (count: number): Promise<void> => {
    const { values, places } = page!;
    if (values !== undefined && passed + count > base + readers.count) {
      readers = readersOf(leaf, await values(passed));
      base = passed;
    }
    if (places === undefined) for (let i = 0; i < count; i++) found[i] = passed++ - base;
    else places.read(found, count);
    for (let i = 0; i < count; i++)
      if (found[i]! < 0 || found[i]! >= readers.count)
        throw places === undefined ? tooFewValues(base + readers.count) : notThere(found[i]!, readers.count);
  };

  /**
   * Takes the numbers of the next `count` values. Where the page has places, they are in `found`; else the values stand
   * in a row.
   */
  const takeNumbers = (into: Float64Array, at: number, count: number): void => {
    const { places } = page!;
    const { raw, number, count: most } = readers;
    if (places !== undefined) {
      places.read(found, count);
      for (let i = 0; i < count; i++) {
        const place = found[i]!;
        if (place < 0 || place >= most) throw notThere(place, most);
        into[at + i] = raw === undefined ? number(place) : raw[place]!;
      }
      return;
    }
    const first = passed - base;
    if (first + count > most) throw tooFewValues(base + most);
    if (raw !== undefined) into.set(raw.subarray(first, first + count), at);
    else for (let i = 0; i < count; i++) into[at + i] = number(first + i);
    passed += count;
  };

  const cursor: LeafCursor = {
    at: 0,
    count: 0,
    get page() {
      return pages.number;
    },
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
      await findPlaces(there);
      if (there === count) places.set(found.subarray(0, count));
      else
        for (let i = 0, next = 0; i < count; i++) places[i] = definitions[i] === leaf.definition ? found[next++]! : -1;
      left -= count;
      cursor.at = 0;
      cursor.count = count;
      return true;
    },
    async readNumbers(into, at, rows, onText) {
      const { definitions: levels } = cursor;
      for (let done = 0; done < rows;) {
        if (left === 0 && !(await nextPage())) throw new Error(TOO_FEW);
        const count = Math.min(STRIDE, left, rows - done);
        const { definitions, values } = page!;
        const isWhole = definitions === undefined || definitions.isRun(leaf.definition, count);
        let there = count;
        if (!isWhole) {
          definitions.read(levels, count);
          there = 0;
          for (let i = 0; i < count; i++) if (levels[i] === leaf.definition) there++;
        }
        if (values !== undefined && passed + there > base + readers.count) {
          readers = readersOf(leaf, await values(passed));
          base = passed;
        }
        const first = at + done;
        const place = passed - base;
        takeNumbers(into, first, there);
        let numTexts = 0;
        if (readers.mayBeNaN) {
          for (let i = 0; i < there; i++) {
            if (!Number.isNaN(into[first + i])) continue;
            texts[i] = readers.text(page!.places === undefined ? place + i : found[i]!);
            numTexts++;
          }
        }
        // From behind, so that none is written over before it is moved.
        if (there < count)
          for (let i = count - 1, from = there; i >= 0; i--)
            into[first + i] = levels[i] === leaf.definition ? into[first + --from]! : NaN;
        if (numTexts > 0) {
          for (let i = 0, from = 0; i < count; i++) {
            if (!isWhole && levels[i] !== leaf.definition) continue;
            const text = texts[from];
            if (text !== undefined) onText(first + i, text);
            texts[from++] = undefined;
          }
        }
        left -= count;
        done += count;
      }
    },
  };
  return cursor;
}

function notThere(place: number, count: number): Error {
  return new Error(`an index is ${place}, but its dictionary has ${count} values`);
}

export const TOO_FEW = 'it has fewer rows than its row group';

/** How stored values are read. */
interface Readers {
  readonly text: At<string>;
  readonly number: At<number>;
  readonly raw: RawNumbers | undefined;
  /** Whether a number may say less than its text. */
  readonly mayBeNaN: boolean;
  readonly count: number;
  /** How many of them may only fill up their last byte. */
  readonly padding: number;
}

const NONE: Readers = { text: () => '', number: () => NaN, raw: undefined, mayBeNaN: true, count: 0, padding: 0 };

function readersOf({ type }: Leaf, values: Values): Readers {
  const raw = type.number?.raw?.(values);
  return {
    text: type.text(values),
    number: type.number?.at(values) ?? (() => NaN),
    raw,
    mayBeNaN: raw === undefined || raw instanceof Float64Array,
    count: values.count,
    padding: values.kind === 'bits' ? 7 : 0,
  };
}

function holdsNaN(numbers: RawNumbers): boolean {
  for (let i = 0; i < numbers.length; i++) if (Number.isNaN(numbers[i])) return true;
  return false;
}
