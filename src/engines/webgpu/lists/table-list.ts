/** A lookup of ids, of items, or of a bag. */
export interface ListField {
  /** First word of its ids, or of a bag's offsets, in a batch's columns. */
  readonly at: number;
  /** Its first element, counted from that of the table's first field. */
  readonly offset: number;
  /** Floats from row to row of its value. */
  readonly ld: number;
  /** Number of its bag; undefined for ids. */
  readonly bag?: number;
  /** Of items: the first word of their offsets. */
  readonly offsets?: number;
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

/** Words of a job: the header, then those of each bag, then those of each table; its last two are results. */
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

/** Counts the items of a field. */
function itemsOfField({ at, bag, offsets }: ListField, columns: Uint32Array, rows: number): number {
  if (bag !== undefined) return columns[at + rows]!;
  return offsets === undefined ? rows : columns[offsets + rows]!;
}

/** Counts the items of a table in a job. */
export function itemsOfTable(shape: ListShape, table: number, columns: Uint32Array, rows: number): number {
  let items = 0;
  for (const field of shape.tables[table]!.fields) items += itemsOfField(field, columns, rows);
  return items;
}

/**
 * Writes the list of a table: its distinct rows in order of first use in the step, the first segment of each, the first
 * item of each segment, and the items by row, in the order of fields and batch (see `ListForm`). Rows of earlier passes
 * of the step come first.
 * @param columns columns of the batch
 * @param job the parameters of the pass, and memory for its lists
 * @param before the job of the pass before, with its lists
 */
export type TableLister = (table: number, columns: Uint32Array, job: Uint32Array, before: Uint32Array) => void;

/** Creates a lister with its own memory, for one thread. */
export function createTableLister(shape: ListShape): TableLister {
  /**
   * Hash table of the rows of one table at a time, at most half full: numbers of distinct rows, counted from 1. It is
   * as large as a batch, so it stays in the cache.
   */
  let hash = new Uint32Array(0);
  /** Distinct row of each item. */
  let slotOf = new Uint32Array(0);
  /** Number of items of each distinct row; then the position of its next item. */
  let counts = new Uint32Array(0);
  /** The words of the two jobs as half words. */
  const halves = new WeakMap<Uint32Array, Uint16Array>();
  const halvesOf = (job: Uint32Array): Uint16Array => {
    let known = halves.get(job);
    if (known === undefined) halves.set(job, (known = new Uint16Array(job.buffer)));
    return known;
  };
  const room = (words: Uint32Array<ArrayBuffer>, least: number): Uint32Array<ArrayBuffer> =>
    words.length >= least ? words : new Uint32Array(2 * least);

  /** Numbers the rows of some items, and counts the items of each; returns the number of distinct rows. */
  const numberRows = (
    ids: Uint32Array,
    from: number,
    to: number,
    distinct: Uint32Array,
    distinctAt: number,
    known: number,
    first: number,
    shift: number,
  ): number => {
    // Local variables are faster in the loop.
    const [places, ofRow, slotsOfItems, mask] = [hash, counts, slotOf, 2 ** (32 - shift) - 1];
    let count = known;
    let i = first;
    for (let at = from; at < to; at++) {
      const row = ids[at]!;
      let h = Math.imul(row, SPREAD) >>> shift;
      let slot = places[h]!;
      while (slot !== 0 && distinct[distinctAt + slot - 1] !== row) {
        h = (h + 1) & mask;
        slot = places[h]!;
      }
      if (slot === 0) {
        distinct[distinctAt + count] = row;
        ofRow[count] = 0;
        slot = places[h] = ++count;
      }
      ofRow[slot - 1]!++;
      slotsOfItems[i++] = slot - 1;
    }
    return count;
  };
  /** Writes each item of ids to the next position of its row: integers from `first` on, `gap` apart. */
  const putIds = (
    numbers: Uint32Array | Uint16Array,
    itemsAt: number,
    firstItem: number,
    count: number,
    first: number,
    gap: number,
  ): void => {
    const [places, slotsOfItems] = [counts, slotOf];
    let number = first;
    for (let i = firstItem, end = firstItem + count; i < end; i++, number += gap)
      numbers[itemsAt + places[slotsOfItems[i]!]!++] = number;
  };
  const putWithFactor = (job: Uint32Array, itemsAt: number, i: number, at: number, factor: number): void => {
    const place = itemsAt + 2 * counts[slotOf[i]!]!++;
    job[place] = at;
    job[place + 1] = factor;
  };

  return (table, columns, job, before) => {
    const { fields, form } = shape.tables[table]!;
    const { hasFactors, isShort } = form;
    const word = (what: keyof typeof TABLE): number => jobWord.table(shape, table, what);
    const [rows, list, seen] = [job[jobWord.rows]!, job[word('list')]!, job[word('seen')]!];
    const seenAt = job[word('seenAt')]!;
    const total = itemsOfTable(shape, table, columns, rows);
    const bits = Math.max(4, Math.ceil(Math.log2(2 * (seen + total))));
    [hash, slotOf, counts] = [room(hash, 2 ** bits), room(slotOf, total), room(counts, seen + total)];
    hash.fill(0, 0, 2 ** bits);
    counts.fill(0, 0, seen);
    for (let u = 0; u < seen; u++) {
      const row = (job[list + u] = before[seenAt + u]!);
      let h = Math.imul(row, SPREAD) >>> (32 - bits);
      while (hash[h] !== 0) h = (h + 1) & (2 ** bits - 1);
      hash[h] = u + 1;
    }
    let count = seen;
    let i = 0;
    for (const field of fields) {
      const items = itemsOfField(field, columns, rows);
      const [ids, from] =
        field.bag === undefined ? [columns, field.at] : [job, job[jobWord.bag(field.bag, 'firstId')]!];
      count = numberRows(ids, from, from + items, job, list, count, i, 32 - bits);
      i += items;
    }
    let segments = 0;
    for (let u = 0; u < count; u++) segments += Math.ceil(counts[u]! / SEGMENT);
    const parts = listParts(count, segments, total, form);
    const [numbers, perWord] = isShort ? [halvesOf(job), 2] : [job, 1];
    const [firstSegmentsAt, segmentsAt, itemsAt] = [
      (list + parts.firstSegments) * perWord,
      (list + parts.segments) * perWord,
      (list + parts.items) * perWord,
    ];
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
    i = 0;
    for (const field of fields) {
      const { at, offset, bag, ld } = field;
      const items = itemsOfField(field, columns, rows);
      if (isShort) putIds(numbers, itemsAt, i, items, 0, 1);
      else if (bag === undefined && !hasFactors) putIds(numbers, itemsAt, i, items, offset, ld);
      else if (bag === undefined)
        for (let k = 0; k < items; k++) putWithFactor(job, itemsAt, i + k, k * ld + offset, ONE);
      else {
        const factors = job[jobWord.bag(bag, 'firstFactor')]!;
        for (let b = 0; b < rows; b++)
          for (let k = columns[at + b]!; k < columns[at + b + 1]!; k++)
            putWithFactor(job, itemsAt, i + k, b * ld + offset, job[factors + k]!);
      }
      i += items;
    }
    job[word('count')] = count;
    job[word('segments')] = segments;
  };
}

/** Knuth's multiplicative hash. */
const SPREAD = 0x9e3779b1;
/** The bits of 1. */
const ONE = 0x3f800000;
