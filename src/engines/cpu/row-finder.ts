import { keptRoom } from './kept-room.js';
import type { Part } from './part-of.js';

/** Lookups of a field: one id per row, or with `offsets` the ids between those of consecutive rows. */
interface Looked {
  readonly ids: Uint32Array;
  readonly offsets?: Uint32Array;
}

/**
 * The distinct rows of a sharded table that a step looks up, numbered by owner: those of rank 0 come first. Row r of
 * the table is row ⌊r / processes⌋ of rank r modulo the number of processes. Results are valid until the next `find`.
 */
export interface RowFinder {
  /** Number of distinct rows. */
  readonly count: number;
  /** Number of rows by process, and the number of the first one. */
  readonly counts: Uint32Array;
  readonly begins: Uint32Array;
  /**
   * Finds the rows of parts of a batch.
   * @param columns of the table's fields in the batch
   */
  find(columns: readonly Looked[], parts: readonly Part[]): void;
  /** Returns the rows that a process owns, in its own numbering. */
  rowsOf(process: number): Uint32Array;
  /** Returns the numbers of the rows that a field looks up in a part, in order. */
  looked(field: number, part: number): Uint32Array;
}

const EMPTY = 0xffffffff;

/** Creates a finder for a table among `processes` processes. */
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
      // Knuth's multiplicative hash and linear probing; a slot has the index of the row's first occurrence.
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
