import type { TensorData } from '../io/safetensors.js';
import type { Columns } from '../io/column-file.js';
import type { FieldPlan } from './fields.js';
import { createLineMemory } from './line-memory.js';

/** Missing value in a float64 column of single ids. */
const MISSING = -1;
/** Missing value in a uint32 column of single ids. */
const MISSING_32 = 0xffffffff;

/** Returns the missing value of a column of single ids. */
export function missingId(ids: TensorData): number {
  return ids instanceof Float64Array ? MISSING : MISSING_32;
}

/** Numbers of rows and values that exceed the cap, by field. */
export type Cuts = Record<string, { rows: number; values: number }>;

/** Raw ids of many rows, one column per field; memory is reused for the next rows. */
export interface FeatureColumns {
  readonly rows: number;
  /** Returns memory for at least this many bytes of lines, from which `readFeatures` reads. */
  lines(bytes: number): Buffer;
  /**
   * Starts a row, and reads its feature count and feature list from byte `begin` of the lines.
   * @returns the start of the next line; 0 for a line that only the line reader can validate
   */
  readFeatures(begin: number): number;
  /** Starts a row; discards an unfinished one. */
  beginRow(): void;
  /** Adds a value to the field with this index. */
  add(field: number, id: number, weight: number): void;
  endRow(): void;
  /** Removes all rows. */
  clear(): void;
  /**
   * Returns the columns of fields that occur: `name` [rows] with one id per row (and `name.weights` F32, if weights are
   * used), with `missingId` for missing values; `name.offsets` U32 [rows + 1], `name.ids` and `name.weights` F32 for
   * bags. Ids are U32, or F64 if any id needs it. Valid until `clear`; no row may be added before.
   */
  columns(): Columns;
  readonly cuts: Cuts;
}

// As in src/kernels/lines/lines.c, in 4-byte words.
const [ROWS, NUM_FIELDS, FULL, SLOTS, FIELDS, FIELD_WORDS] = [0, 1, 2, 4, 100, 16] as const;
const MAX_FIELDS = 32;
const NUM_SLOTS = 256;
const SPREAD = 0x9e3779b97f4a7c15n;
const [NAME, IS_BAG, KEEPS_LAST, CAP, IDS, WEIGHTS, OFFSETS, CAPACITY, LENGTH, OCCURS, CUT_ROWS, CUT_VALUES, IS_WIDE] =
  [0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13] as const;
/** Result of kernels instead of an offset: out of memory. */
const NO_ROOM = 1;
/** Memory that kernels access besides lines. */
const MARGIN_BYTES = 64;
const FIRST_ROWS = 1 << 12;

/** Creates empty columns for these fields. */
export function createFeatureColumns(fields: readonly FieldPlan[]): FeatureColumns {
  if (fields.length > MAX_FIELDS) throw new Error(`${fields.length} fields are more than ${MAX_FIELDS}`);
  const memory = createLineMemory();
  const { kernels } = memory;
  const table = memory.take(4 * (FIELDS + MAX_FIELDS * FIELD_WORDS));
  const words = new Uint32Array(memory.buffer, table, FIELDS + MAX_FIELDS * FIELD_WORDS);
  const wordAddress = (f: number, word: number): number => FIELDS + FIELD_WORDS * f + word;
  let rowCapacity = 0;
  let linesAt = 0;
  let lineBytes = 0;

  /** Grows an array of 4- or 8-byte elements, and copies its content. */
  const enlarge = (word: number, bytes: number, newBytes: number): void => {
    const index = memory.take(newBytes);
    new Uint8Array(memory.buffer).copyWithin(index, words[word]!, words[word]! + bytes);
    words[word] = index;
  };
  const growValues = (f: number, capacity: number): void => {
    const oldBytes = words[wordAddress(f, CAPACITY)]!;
    enlarge(wordAddress(f, IDS), 8 * oldBytes, 8 * capacity);
    enlarge(wordAddress(f, WEIGHTS), 4 * oldBytes, 4 * capacity);
    words[wordAddress(f, CAPACITY)] = capacity;
  };
  const growRows = (): void => {
    const oldBytes = rowCapacity;
    rowCapacity = Math.max(FIRST_ROWS, 2 * oldBytes);
    for (const [f, { isBag }] of fields.entries()) {
      if (!isBag) growValues(f, rowCapacity);
      else enlarge(wordAddress(f, OFFSETS), oldBytes === 0 ? 0 : 4 * (oldBytes + 1), 4 * (rowCapacity + 1));
    }
  };
  const growFull = (): void => growValues(words[FULL]!, 2 * words[wordAddress(words[FULL]!, CAPACITY)]!);

  words[NUM_FIELDS] = fields.length;
  const slots = new Uint8Array(memory.buffer, table + 4 * SLOTS, NUM_SLOTS).fill(255);
  for (const [f, { name, isBag, keepsLast, cap }] of fields.entries()) {
    const bytes = Buffer.alloc(8);
    bytes.write(name, 'latin1');
    const key = bytes.readBigUInt64LE();
    words.set([bytes.readUInt32LE(0), bytes.readUInt32LE(4)], wordAddress(f, NAME));
    words[wordAddress(f, IS_BAG)] = Number(isBag);
    words[wordAddress(f, KEEPS_LAST)] = Number(keepsLast ?? false);
    words[wordAddress(f, CAP)] = cap;
    let slot = Number(BigInt.asUintN(64, key * SPREAD) >> 56n);
    while (slots[slot] !== 255) slot = (slot + 1) % NUM_SLOTS;
    slots[slot] = f;
    if (isBag) growValues(f, FIRST_ROWS);
  }
  growRows();

  return {
    get rows() {
      return words[ROWS]!;
    },

    lines(bytes) {
      if (bytes > lineBytes) {
        linesAt = memory.take(MARGIN_BYTES + bytes + MARGIN_BYTES) + MARGIN_BYTES;
        lineBytes = bytes;
      }
      return Buffer.from(memory.buffer, linesAt, lineBytes);
    },

    readFeatures(begin) {
      if (words[ROWS] === rowCapacity) growRows();
      for (;;) {
        const next = kernels.readFeatures(table, linesAt + begin);
        if (next > NO_ROOM) return next - linesAt;
        if (next !== NO_ROOM) return 0;
        growFull();
      }
    },

    beginRow() {
      if (words[ROWS] === rowCapacity) growRows();
      kernels.beginRow(table);
    },

    add(field, id, weight) {
      while (kernels.addValue(table, field, id, weight) === 0) growFull();
    },

    endRow: () => kernels.endRow(table),

    clear() {
      words[ROWS] = 0;
      for (let f = 0; f < fields.length; f++)
        for (const word of [LENGTH, OCCURS, CUT_ROWS, CUT_VALUES, IS_WIDE]) words[wordAddress(f, word)] = 0;
    },

    columns() {
      const columns = new Map<string, TensorData>();
      const rows = words[ROWS]!;
      for (const [f, { name, isBag, number }] of fields.entries()) {
        const of = (word: number): number => words[wordAddress(f, word)]!;
        if (of(OCCURS) === 0) continue;
        const length = isBag ? of(LENGTH) : rows;
        const isWide = of(IS_WIDE) === 1;
        (isWide ? kernels.widen : kernels.narrow)(of(IDS), length);
        if (isBag) columns.set(`${name}.offsets`, new Uint32Array(memory.buffer, of(OFFSETS), rows + 1));
        columns.set(
          isBag ? `${name}.ids` : name,
          isWide ? new Float64Array(memory.buffer, of(IDS), length) : new Uint32Array(memory.buffer, of(IDS), length),
        );
        if (isBag || number !== undefined)
          columns.set(`${name}.weights`, new Float32Array(memory.buffer, of(WEIGHTS), length));
      }
      return columns;
    },

    get cuts() {
      const cut = fields.flatMap(({ name }, f) => {
        const values = words[wordAddress(f, CUT_VALUES)]!;
        return values === 0 ? [] : [[name, { rows: words[wordAddress(f, CUT_ROWS)]!, values }] as const];
      });
      return Object.fromEntries(cut);
    },
  };
}
