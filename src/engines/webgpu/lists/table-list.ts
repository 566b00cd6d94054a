/** A lookup of ids, of items, or of a bag. */
export interface ListField {
  /** First word of its ids, or of a bag's offsets, in a batch's columns. */
  readonly at: number;
  /** Its first element, counted from the first element of the table's first field. */
  readonly offset: number;
  /** Floats from row to row of its value. */
  readonly ld: number;
  /** Number of its bag; undefined for ids. */
  readonly bag?: number;
  /** Of items: the first word of their offsets. */
  readonly offsets?: number;
  /** First word of the offsets of the items, for a bag of items with several values. */
  readonly parents?: number | undefined;
}

/** Form of the index list of a table. */
export interface ListForm {
  /** Whether a factor follows each item, because the table has bags. */
  readonly hasFactors: boolean;
  /**
   * Whether an item is the number of a row, and everything but the distinct rows is stored in half words: the table has
   * one field, of ids or of items. Otherwise an item is the first element of its gradient.
   */
  readonly isShort: boolean;
}

/** Returns the form of a table's list from the kinds of its fields and the maximum rows of one. */
export function listForm(areBags: readonly boolean[], maxRows: number): ListForm {
  const hasFactors = areBags.includes(true);
  return { hasFactors, isShort: !hasFactors && areBags.length === 1 && maxRows < 2 ** 16 };
}

/** The tables with index lists. */
export interface ListShape {
  readonly numBags: number;
  readonly tables: readonly { readonly fields: readonly ListField[]; readonly form: ListForm }[];
}

/** Words of a job: the header, then the words of each bag, then the words of each table; its last two are results. */
const JOB = { rows: 0 } as const;
const JOB_WORDS = 1;
const BAG = { firstId: 0, firstFactor: 1 } as const;
const BAG_WORDS = 2;
const TABLE = { list: 0, seen: 1, seenAt: 2, count: 3, segments: 4 } as const;
const TABLE_WORDS = 5;

/** Items that one thread of a device sums: a row with more has several segments, whose sums are added afterwards. */
const SEGMENT = 32;

/** Returns the position of a word of a job. */
export const jobWord = {
  rows: JOB.rows,
  bag: (bag: number, what: keyof typeof BAG): number => JOB_WORDS + bag * BAG_WORDS + BAG[what],
  table: ({ numBags }: ListShape, table: number, what: keyof typeof TABLE): number =>
    JOB_WORDS + numBags * BAG_WORDS + table * TABLE_WORDS + TABLE[what],
  end: ({ numBags, tables }: ListShape): number => JOB_WORDS + numBags * BAG_WORDS + tables.length * TABLE_WORDS,
} as const;

/** Returns the first words of a list's parts, and its number of words. */
export function listParts(
  count: number,
  segments: number,
  items: number,
  { hasFactors, isShort }: ListForm,
): { readonly firstSegments: number; readonly segments: number; readonly items: number; readonly words: number } {
  const wordsOf = (numbers: number): number => (isShort ? Math.ceil(numbers / 2) : numbers);
  const segmentsAt = count + wordsOf(count + 1);
  const itemsAt = segmentsAt + wordsOf(segments + 1);
  return {
    firstSegments: count,
    segments: segmentsAt,
    items: itemsAt,
    words: itemsAt + wordsOf(items) * (hasFactors ? 2 : 1),
  };
}

/** Returns the maximum words of a list. */
export function mostListWords(seen: number, items: number, form: ListForm): number {
  return listParts(seen + items, items + Math.ceil(items / SEGMENT), items, form).words;
}

/** Counts the rows that have the items of a bag: rows of the batch, or items. */
function rowsOfBag({ parents }: ListField, columns: Uint32Array, rows: number): number {
  return parents === undefined ? rows : columns[parents + rows]!;
}

/** Counts the items of a field. */
function itemsOfField(field: ListField, columns: Uint32Array, rows: number): number {
  const { at, bag, offsets } = field;
  if (bag !== undefined) return columns[at + rowsOfBag(field, columns, rows)]!;
  return offsets === undefined ? rows : columns[offsets + rows]!;
}

/** Counts the items of a table in a job. */
export function itemsOfTable(shape: ListShape, table: number, columns: Uint32Array, rows: number): number {
  let items = 0;
  for (const field of shape.tables[table]!.fields) items += itemsOfField(field, columns, rows);
  return items;
}

/** A list while it is made: where it goes, and what it is made from. */
interface ListState {
  readonly fields: readonly ListField[];
  readonly form: ListForm;
  readonly columns: Uint32Array;
  readonly job: Uint32Array;
  readonly rows: number;
  /** First word of the list, whose first part are distinct rows. */
  readonly list: number;
  /** Bits of the hash of a row. */
  readonly bits: number;
  readonly total: number;
}

/** Lists tables one at a time, with its own memory, for one thread. */
export class TableLister {
  readonly #shape: ListShape;
  /**
   * Hash table of the rows of one table at a time, at most half full: numbers of distinct rows, counted from 1. It is
   * as large as a batch, so it stays in the cache.
   */
  #hash = new Uint32Array(0);
  /** Distinct row of each item. */
  #slotOf = new Uint32Array(0);
  /** Number of items of each distinct row; then the position of its next item. */
  #counts = new Uint32Array(0);
  /** The words of the two jobs as half words. */
  readonly #halves = new WeakMap<Uint32Array, Uint16Array>();

  constructor(shape: ListShape) {
    this.#shape = shape;
  }

  /**
   * Writes the list of a table: its distinct rows in order of first use in the step, the first segment of each, the
   * first item of each segment, and the items by row, in the order of fields and batch (see `ListForm`). Rows of
   * earlier passes of the step come first.
   * @param columns columns of the batch
   * @param job the parameters of the pass, and memory for its lists
   * @param before the job of the pass before, with its lists
   */
  list(table: number, columns: Uint32Array, job: Uint32Array, before: Uint32Array): void {
    const { fields, form } = this.#shape.tables[table]!;
    const word = (what: keyof typeof TABLE): number => jobWord.table(this.#shape, table, what);
    const [rows, list, seen] = [job[jobWord.rows]!, job[word('list')]!, job[word('seen')]!];
    const total = itemsOfTable(this.#shape, table, columns, rows);
    const bits = Math.max(4, Math.ceil(Math.log2(2 * (seen + total))));
    const state: ListState = { fields, form, columns, job, rows, list, bits, total };
    this.#begin(state, before.subarray(job[word('seenAt')]).subarray(0, seen));
    const count = this.#numberFields(state, seen);
    let segments = 0;
    for (let u = 0; u < count; u++) segments += Math.ceil(this.#counts[u]! / SEGMENT);
    this.#putItems(state, this.#putSegments(state, count, segments));
    job[word('count')] = count;
    job[word('segments')] = segments;
  }

  /** Forgets all rows except the rows of earlier passes. */
  #begin({ job, list, bits, total }: ListState, seen: Uint32Array): void {
    this.#hash = room(this.#hash, 2 ** bits);
    this.#slotOf = room(this.#slotOf, total);
    this.#counts = room(this.#counts, seen.length + total);
    const hash = this.#hash;
    hash.fill(0, 0, 2 ** bits);
    this.#counts.fill(0, 0, seen.length);
    for (let u = 0; u < seen.length; u++) {
      const row = (job[list + u] = seen[u]!);
      let h = Math.imul(row, SPREAD) >>> (32 - bits);
      while (hash[h] !== 0) h = (h + 1) & (2 ** bits - 1);
      hash[h] = u + 1;
    }
  }

  /** Numbers the rows of all items; returns the number of distinct rows. */
  #numberFields(state: ListState, seen: number): number {
    const { fields, columns, job, rows } = state;
    let [count, first] = [seen, 0];
    for (const field of fields) {
      const items = itemsOfField(field, columns, rows);
      const ids = field.bag === undefined ? columns : job;
      const from = field.bag === undefined ? field.at : job[jobWord.bag(field.bag, 'firstId')]!;
      count = this.#numberRows(state, ids, from, from + items, count, first);
      first += items;
    }
    return count;
  }

  /** Numbers the rows of some items, and counts the items of each; returns the number of distinct rows. */
  #numberRows(
    { job: distinct, list, bits }: ListState,
    ids: Uint32Array,
    from: number,
    to: number,
    known: number,
    first: number,
  ): number {
    // Local variables are faster in the loop.
    const [places, ofRow, slotsOfItems, shift, mask] = [
      this.#hash,
      this.#counts,
      this.#slotOf,
      32 - bits,
      2 ** bits - 1,
    ];
    let count = known;
    let i = first;
    for (let at = from; at < to; at++) {
      const row = ids[at]!;
      let h = Math.imul(row, SPREAD) >>> shift;
      let slot = places[h]!;
      while (slot !== 0 && distinct[list + slot - 1] !== row) {
        h = (h + 1) & mask;
        slot = places[h]!;
      }
      if (slot === 0) {
        distinct[list + count] = row;
        ofRow[count] = 0;
        slot = places[h] = ++count;
      }
      ofRow[slot - 1]!++;
      slotsOfItems[i++] = slot - 1;
    }
    return count;
  }

  /** Writes the segments of each row, and turns counts into positions; returns where items go. */
  #putSegments({ job, list, form, total }: ListState, count: number, segments: number): ItemsTarget {
    const counts = this.#counts;
    const parts = listParts(count, segments, total, form);
    const [numbers, perWord] = form.isShort ? [this.#halvesOf(job), 2] : [job, 1];
    const firstSegmentsAt = (list + parts.firstSegments) * perWord;
    const segmentsAt = (list + parts.segments) * perWord;
    let [item, segment] = [0, 0];
    for (let u = 0; u < count; u++) {
      numbers[firstSegmentsAt + u] = segment;
      const end = item + counts[u]!;
      counts[u] = item;
      for (; item < end; item += SEGMENT) numbers[segmentsAt + segment++] = item;
      item = end;
    }
    numbers[firstSegmentsAt + count] = segment;
    numbers[segmentsAt + segment] = item;
    return { numbers, at: (list + parts.items) * perWord };
  }

  /** Writes the items of all fields. */
  #putItems({ fields, form: { isShort, hasFactors }, columns, job, rows }: ListState, target: ItemsTarget): void {
    let first = 0;
    for (const field of fields) {
      const { at, offset, bag, ld } = field;
      const items = itemsOfField(field, columns, rows);
      if (isShort) this.#putIds(target, first, items, 0, 1);
      else if (bag === undefined && !hasFactors) this.#putIds(target, first, items, offset, ld);
      else if (bag === undefined)
        for (let k = 0; k < items; k++) this.#putWithFactor(target, first + k, k * ld + offset, ONE);
      else {
        const factors = job[jobWord.bag(bag, 'firstFactor')]!;
        const bags = rowsOfBag(field, columns, rows);
        for (let b = 0; b < bags; b++)
          for (let k = columns[at + b]!; k < columns[at + b + 1]!; k++)
            this.#putWithFactor(target, first + k, b * ld + offset, job[factors + k]!);
      }
      first += items;
    }
  }

  /** Writes each item of ids to the next position of its row: integers from `first` on, `gap` apart. */
  #putIds({ numbers, at }: ItemsTarget, firstItem: number, count: number, first: number, gap: number): void {
    const [places, slotsOfItems] = [this.#counts, this.#slotOf];
    let number = first;
    for (let i = firstItem, end = firstItem + count; i < end; i++, number += gap)
      numbers[at + places[slotsOfItems[i]!]!++] = number;
  }

  #putWithFactor({ numbers, at }: ItemsTarget, i: number, position: number, factor: number): void {
    const place = at + 2 * this.#counts[this.#slotOf[i]!]!++;
    numbers[place] = position;
    numbers[place + 1] = factor;
  }

  #halvesOf(job: Uint32Array): Uint16Array {
    const known = this.#halves.get(job) ?? new Uint16Array(job.buffer);
    this.#halves.set(job, known);
    return known;
  }
}

/** Where the items of a list go: words, or half words. */
interface ItemsTarget {
  readonly numbers: Uint32Array | Uint16Array;
  readonly at: number;
}

/** Returns an array of at least so many words, whose values may be lost. */
const room = (words: Uint32Array<ArrayBuffer>, least: number): Uint32Array<ArrayBuffer> =>
  words.length >= least ? words : new Uint32Array(2 * least);

/** Factor of Knuth's multiplicative hash. */
const SPREAD = 0x9e3779b1;
/** The bits of 1. */
const ONE = 0x3f800000;
