import { keptRoom } from './kept-room.js';
import type { Part } from './part-of.js';

/** What a field looks up: an id a row, or where offsets are given those from a row's to the next one's. */
interface Looked {
  readonly ids: Uint32Array;
  readonly offsets?: Uint32Array;
}

/**
 * The distinct rows of a dealt table that a step looks up, numbered by their owners: those of the first process come
 * first. Row r of
 * the table is row ⌊r / processes⌋ of process r modulo their number. What it gives is good until it finds others.
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
}

const EMPTY = 0xffffffff;

/** A finder for a table among so many processes. */
export function createRowFinder(
  { name, looked: { rows: most } }: { readonly name: string; readonly looked: { readonly rows: number } },
  processes: number,
): RowFinder {
  const wordRoom = (): ((length: number) => Uint32Array) => keptRoom((length) => new Uint32Array(length));
  const [hashRoom, metRoom, ownerRoom, numberRoom, sortedRoom, lookedRoom] = [
    wordRoom(),
    wordRoom(),
    wordRoom(),
    wordRoom(),
    wordRoom(),
    wordRoom(),
  ];
  let sorted = sortedRoom(0);
  const counts = new Uint32Array(processes);
  const begins = new Uint32Array(processes);
  let found: Uint32Array[][] = [];
  let count = 0;

  return {
    counts,
    begins,
    get count() {
      return count;
    },
    find(columns, parts) {
      const looked = columns.map(({ ids, offsets }) =>
        parts.map(({ begin: from, rows }) =>
          offsets === undefined ? ids.subarray(from, from + rows) : ids.subarray(offsets[from], offsets[from + rows]),
        ),
      );
      const total = looked.reduce((sum, ofField) => sum + ofField.reduce((all, { length }) => all + length, 0), 0);
      const keys = Math.min(most, total);
      // Knuth's multiplicative hash and linear probing; a place holds the number in which a row was met.
      const bits = Math.max(2, Math.ceil(Math.log2(2 * keys)));
      const [shift, mask] = [32 - bits, 2 ** bits - 1];
      const hash = hashRoom(2 ** bits).fill(EMPTY);
      const [met, ownerOf, numberOf] = [metRoom(keys), ownerRoom(keys), numberRoom(keys)];
      const numbers = lookedRoom(total);
      let [distinct, at] = [0, 0];
      found = looked.map(() => []);
      for (const [f, ofField] of looked.entries()) {
        for (const ids of ofField) {
          for (let i = 0; i < ids.length; i++) {
            const row = ids[i]!;
            let place = Math.imul(row, 0x9e3779b1) >>> shift;
            let other = hash[place]!;
            while (other !== EMPTY && met[other] !== row) {
              place = (place + 1) & mask;
              other = hash[place]!;
            }
            if (other === EMPTY) {
              if (distinct === most) throw new Error(`more rows of '${name}' than the capacity of its list`);
              other = distinct++;
              hash[place] = other;
              met[other] = row;
            }
            numbers[at + i] = other;
          }
          found[f]!.push(numbers.subarray(at, at + ids.length));
          at += ids.length;
        }
      }
      count = distinct;
      counts.fill(0);
      for (let m = 0; m < distinct; m++) {
        const owner = met[m]! % processes;
        ownerOf[m] = owner;
        counts[owner]!++;
      }
      for (let r = 1; r < processes; r++) begins[r] = begins[r - 1]! + counts[r - 1]!;
      const next = begins.slice();
      sorted = sortedRoom(distinct);
      for (let m = 0; m < distinct; m++) {
        const number = next[ownerOf[m]!]!++;
        numberOf[m] = number;
        sorted[number] = Math.floor(met[m]! / processes);
      }
      for (let b = 0; b < total; b++) numbers[b] = numberOf[numbers[b]!]!;
    },
    rowsOf: (process) => sorted.subarray(begins[process], begins[process]! + counts[process]!),
    looked: (field, part) => found[field]![part]!,
  };
}
