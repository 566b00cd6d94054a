import type { TablePlace } from './tables.js';

/** Some rows of a batch. */
export interface Part {
  readonly begin: number;
  readonly rows: number;
}

/** What a field looks up: an id a row, or where offsets are given those from a row's to the next one's. */
interface Looked {
  readonly ids: Uint32Array;
  readonly offsets?: Uint32Array;
}

/**
 * The distinct rows of a dealt table that a step looks up, numbered by their owners: those of the first process come first. Row r of
 * the table is row ⌊r / processes⌋ of process r modulo their number.
 */
export interface RowFinder {
  /** How many there are. */
  readonly count: number;
  /** Of each process, how many, and the first one's number. */
  readonly counts: Uint32Array;
  readonly begins: Uint32Array;
  /** @param columns of the table's fields in the batch */
  find(columns: readonly Looked[], parts: readonly Part[]): void;
  /** The rows that a process owns, in its own numbers. */
  rowsOf(process: number): Uint32Array;
  /** The numbers of what a field looks up in a part, one behind the other. */
  looked(field: number, part: number): Uint32Array;
  /** The process that a number's row belongs to. */
  ownerOf(number: number): number;
}

const EMPTY = 0xffffffff;

/** A finder for a table among so many processes. */
export function createRowFinder({ name, looked: { rows: most }, fields }: Pick<TablePlace, 'name' | 'looked' | 'fields'>, processes: number): RowFinder {
  // Knuth's multiplicative hash and linear probing; a place holds the number in which a row was met. All are as large as batches have
  // needed, which may be far less than there is room for.
  let hash = new Uint32Array(0);
  let bits = 0;
  let met = new Uint32Array(0);
  let numberOf = new Uint32Array(0);
  let sorted = new Uint32Array(0);
  const counts = new Uint32Array(processes);
  const begins = new Uint32Array(processes);
  let found: Uint32Array[][] = fields.map(() => []);
  let count = 0;

  /** Forgets what was met, for so many ids. */
  const forget = (ids: number): void => {
    const keys = Math.min(most, ids);
    bits = Math.max(2, Math.ceil(Math.log2(2 * keys)));
    if (hash.length < 2 ** bits) hash = new Uint32Array(2 ** bits);
    if (met.length < keys) [met, numberOf, sorted] = [new Uint32Array(keys), new Uint32Array(keys), new Uint32Array(keys)];
    hash.fill(EMPTY, 0, 2 ** bits);
    count = 0;
  };
  const meet = (row: number): number => {
    const mask = 2 ** bits - 1;
    let place = Math.imul(row, 0x9e3779b1) >>> (32 - bits);
    for (let other = hash[place]!; other !== EMPTY; other = hash[place]!) {
      if (met[other] === row) return other;
      place = (place + 1) & mask;
    }
    if (count === most) throw new Error(`more rows of '${name}' than there is room for`);
    hash[place] = count;
    met[count] = row;
    return count++;
  };

  return {
    counts,
    begins,
    get count() {
      return count;
    },
    find(columns, parts) {
      const looked = columns.map(({ ids, offsets }) => parts.map(({ begin: from, rows }) => (offsets === undefined ? ids.subarray(from, from + rows) : ids.subarray(offsets[from], offsets[from + rows]))));
      forget(looked.flat().reduce((sum, { length }) => sum + length, 0));
      found = looked.map((ofField) =>
        ofField.map((ids) => {
          const numbers = new Uint32Array(ids.length);
          for (let i = 0; i < ids.length; i++) numbers[i] = meet(ids[i]!);
          return numbers;
        }),
      );
      counts.fill(0);
      for (let m = 0; m < count; m++) counts[met[m]! % processes]!++;
      for (let r = 1; r < processes; r++) begins[r] = begins[r - 1]! + counts[r - 1]!;
      const next = begins.slice();
      for (let m = 0; m < count; m++) {
        const number = next[met[m]! % processes]!++;
        numberOf[m] = number;
        sorted[number] = Math.floor(met[m]! / processes);
      }
      for (const numbers of found.flat()) for (let b = 0; b < numbers.length; b++) numbers[b] = numberOf[numbers[b]!]!;
    },
    rowsOf: (process) => sorted.subarray(begins[process], begins[process]! + counts[process]!),
    looked: (field, part) => found[field]![part]!,
    ownerOf(number) {
      let process = processes - 1;
      while (begins[process]! > number) process--;
      return process;
    },
  };
}
