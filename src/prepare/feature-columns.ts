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

/** Raw ids of many rows, one column per field; memory is reused for the next rows. */
export class FeatureColumns {
  readonly #fields: readonly FieldPlan[];
  readonly #memory = createLineMemory();
  /** Address of the table that kernels read, and its words. */
  readonly #table = this.#memory.take(4 * (FIELDS + MAX_FIELDS * FIELD_WORDS));
  readonly #words = new Uint32Array(this.#memory.buffer, this.#table, FIELDS + MAX_FIELDS * FIELD_WORDS);
  #rowCapacity = 0;
  #linesAt = 0;
  #lineBytes = 0;

  constructor(fields: readonly FieldPlan[]) {
    if (fields.length > MAX_FIELDS) throw new Error(`${fields.length} fields are more than ${MAX_FIELDS}`);
    this.#fields = fields;
    this.#words[NUM_FIELDS] = fields.length;
    const slots = new Uint8Array(this.#memory.buffer, this.#table + 4 * SLOTS, NUM_SLOTS).fill(255);
    for (const [f, { name, isBag, keepsLast = false, cap }] of fields.entries()) {
      const bytes = Buffer.alloc(8);
      bytes.write(name, 'latin1');
      this.#words.set([bytes.readUInt32LE(0), bytes.readUInt32LE(4)], wordAddress(f, NAME));
      this.#set(f, IS_BAG, Number(isBag));
      this.#set(f, KEEPS_LAST, Number(keepsLast));
      this.#set(f, CAP, cap);
      let slot = Number(BigInt.asUintN(64, bytes.readBigUInt64LE() * SPREAD) >> 56n);
      while (slots[slot] !== 255) slot = (slot + 1) % NUM_SLOTS;
      slots[slot] = f;
      if (isBag) this.#growValues(f, FIRST_ROWS);
    }
    this.#growRows();
  }

  get rows(): number {
    return this.#words[ROWS]!;
  }

  /** Returns memory for at least this many bytes of lines, from which `readFeatures` reads. */
  lines(bytes: number): Buffer {
    if (bytes > this.#lineBytes) {
      this.#linesAt = this.#memory.take(MARGIN_BYTES + bytes + MARGIN_BYTES) + MARGIN_BYTES;
      this.#lineBytes = bytes;
    }
    return Buffer.from(this.#memory.buffer, this.#linesAt, this.#lineBytes);
  }

  /**
   * Starts a row, and reads its feature count and feature list from byte `begin` of the lines.
   * @returns the start of the next line; 0 for a line that only the line reader can validate
   */
  readFeatures(begin: number): number {
    if (this.rows === this.#rowCapacity) this.#growRows();
    for (;;) {
      const next = this.#memory.kernels.readFeatures(this.#table, this.#linesAt + begin);
      if (next > NO_ROOM) return next - this.#linesAt;
      if (next !== NO_ROOM) return 0;
      this.#growFull();
    }
  }

  /** Starts a row; discards an unfinished one. */
  beginRow(): void {
    if (this.rows === this.#rowCapacity) this.#growRows();
    this.#memory.kernels.beginRow(this.#table);
  }

  /** Adds a value to the field with this index. */
  add(field: number, id: number, weight: number): void {
    while (this.#memory.kernels.addValue(this.#table, field, id, weight) === 0) this.#growFull();
  }

  endRow(): void {
    this.#memory.kernels.endRow(this.#table);
  }

  clear(): void {
    this.#words[ROWS] = 0;
    for (let f = 0; f < this.#fields.length; f++)
      for (const word of [LENGTH, OCCURS, CUT_ROWS, CUT_VALUES, IS_WIDE]) this.#set(f, word, 0);
  }

  /**
   * Returns the columns of fields that occur: `name` [rows] with one id per row (and `name.weights` F32, if weights are
   * used), with `missingId` for missing values; `name.offsets` U32 [rows + 1], `name.ids` and `name.weights` F32 for
   * bags. Ids are U32, or F64 if any id needs it. Valid until `clear`; no row may be added before.
   */
  columns(): Columns {
    const columns = new Map<string, TensorData>();
    const { buffer, kernels } = this.#memory;
    for (const [f, { name, isBag, number }] of this.#fields.entries()) {
      if (this.#get(f, OCCURS) === 0) continue;
      const length = isBag ? this.#get(f, LENGTH) : this.rows;
      const ids = this.#get(f, IDS);
      const isWide = this.#get(f, IS_WIDE) === 1;
      (isWide ? kernels.widen : kernels.narrow)(ids, length);
      if (isBag) columns.set(`${name}.offsets`, new Uint32Array(buffer, this.#get(f, OFFSETS), this.rows + 1));
      columns.set(
        isBag ? `${name}.ids` : name,
        isWide ? new Float64Array(buffer, ids, length) : new Uint32Array(buffer, ids, length),
      );
      if (isBag || number !== undefined)
        columns.set(`${name}.weights`, new Float32Array(buffer, this.#get(f, WEIGHTS), length));
    }
    return columns;
  }

  get cuts(): Cuts {
    const cut = this.#fields.flatMap(({ name }, f) => {
      const values = this.#get(f, CUT_VALUES);
      return values === 0 ? [] : [[name, { rows: this.#get(f, CUT_ROWS), values }] as const];
    });
    return Object.fromEntries(cut);
  }

  #get(field: number, word: number): number {
    return this.#words[wordAddress(field, word)]!;
  }

  #set(field: number, word: number, value: number): void {
    this.#words[wordAddress(field, word)] = value;
  }

  #growRows(): void {
    const old = this.#rowCapacity;
    this.#rowCapacity = Math.max(FIRST_ROWS, 2 * old);
    for (const [f, { isBag }] of this.#fields.entries()) {
      if (isBag) this.#enlarge(f, OFFSETS, old === 0 ? 0 : 4 * (old + 1), 4 * (this.#rowCapacity + 1));
      else this.#growValues(f, this.#rowCapacity);
    }
  }

  /** Doubles the memory of the field that a kernel found full. */
  #growFull(): void {
    const field = this.#words[FULL]!;
    this.#growValues(field, 2 * this.#get(field, CAPACITY));
  }

  #growValues(field: number, capacity: number): void {
    const old = this.#get(field, CAPACITY);
    this.#enlarge(field, IDS, 8 * old, 8 * capacity);
    this.#enlarge(field, WEIGHTS, 4 * old, 4 * capacity);
    this.#set(field, CAPACITY, capacity);
  }

  /** Allocates larger memory for an array, and copies its content. */
  #enlarge(field: number, word: number, bytes: number, newBytes: number): void {
    const address = this.#memory.take(newBytes);
    const old = this.#get(field, word);
    new Uint8Array(this.#memory.buffer).copyWithin(address, old, old + bytes);
    this.#set(field, word, address);
  }
}

/** Returns the index of a word of a field in the table. */
function wordAddress(field: number, word: number): number {
  return FIELDS + FIELD_WORDS * field + word;
}
