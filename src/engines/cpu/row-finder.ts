import type { Part } from './local-rows.js';
import { fillPlace, hashWord, idAt, indexWords, probe } from '../../core/hash-index.js';
import { createIndexScratch, createWordScratch } from './scratch-array.js';

/** Lookups of a field: one id per row, or with `offsets` the ids between the offsets of consecutive rows. */
interface Lookups {
  readonly ids: Uint32Array;
  readonly offsets?: Uint32Array;
}

/**
 * The distinct rows of a sharded table that a step looks up, numbered by owner: the rows of rank 0 come first. Row r of
 * the table is row ⌊r / processes⌋ of rank r modulo the number of processes. Results are valid until the next `find`.
 */
export class RowFinder {
  /** Number of rows by process, and the number of the first one. */
  readonly counts: Uint32Array;
  readonly begins: Uint32Array;
  readonly #name: string;
  /** Maximum number of distinct rows. */
  readonly #capacity: number;
  readonly #processes: number;
  readonly #takeIndex = createIndexScratch();
  readonly #takeDistinct = createWordScratch();
  readonly #takeNumbers = createWordScratch();
  readonly #takeSorted = createWordScratch();
  readonly #takeLooked = createWordScratch();
  /** Number of each distinct row, from 1. */
  #index = this.#takeIndex(0);
  /** Distinct rows in order of their first lookup. */
  #distinct = this.#takeDistinct(0);
  #count = 0;
  #sorted = this.#takeSorted(0);
  #looked: readonly (readonly Uint32Array[])[] = [];

  constructor(
    { name, looked }: { readonly name: string; readonly looked: { readonly rows: number } },
    processes: number,
  ) {
    this.#name = name;
    this.#capacity = looked.rows;
    this.#processes = processes;
    this.counts = new Uint32Array(processes);
    this.begins = new Uint32Array(processes);
  }

  /** Number of distinct rows. */
  get count(): number {
    return this.#count;
  }

  /**
   * Finds the rows of parts of a batch.
   * @param columns of the table's fields in the batch
   */
  find(columns: readonly Lookups[], parts: readonly Part[]): void {
    const lookups = columns.map(({ ids, offsets }) =>
      parts.map(({ begin, rows }) =>
        offsets === undefined ? ids.subarray(begin, begin + rows) : ids.subarray(offsets[begin], offsets[begin + rows]),
      ),
    );
    const total = lookups.flat().reduce((sum, { length }) => sum + length, 0);
    const looked = this.#takeLooked(total);
    this.#clear(Math.min(this.#capacity, total));
    let end = 0;
    this.#looked = lookups.map((ofField) =>
      ofField.map((ids) => {
        const indices = looked.subarray(end, (end += ids.length));
        this.#number(ids, indices);
        return indices;
      }),
    );
    const numbers = this.#numberByOwner();
    for (let i = 0; i < total; i++) looked[i] = numbers[looked[i]!]!;
  }

  /** Returns the rows that a process owns, in its own numbering. */
  rowsOf(process: number): Uint32Array {
    return this.#sorted.subarray(this.begins[process], this.begins[process]! + this.counts[process]!);
  }

  /** Returns the numbers of the rows that a field looks up in a part, in order. */
  looked(field: number, part: number): Uint32Array {
    return this.#looked[field]![part]!;
  }

  #clear(maxRows: number): void {
    this.#index = this.#takeIndex(indexWords(maxRows)!).fill(0);
    this.#distinct = this.#takeDistinct(maxRows);
    this.#count = 0;
  }

  /** Writes the index of each row among the distinct rows, adding new ones. */
  #number(rows: Uint32Array, indices: Uint32Array): void {
    const [index, distinct] = [this.#index, this.#distinct];
    let count = this.#count;
    for (let i = 0; i < rows.length; i++) {
      const hash = hashWord(rows[i]!);
      const place = probe(index, hash, hash);
      let number = idAt(index, place);
      if (number === 0) {
        if (count === this.#capacity) throw new Error(`more rows of '${this.#name}' than the capacity of its list`);
        distinct[count] = rows[i]!;
        fillPlace(index, place, hash, (number = ++count));
      }
      indices[i] = number - 1;
    }
    this.#count = count;
  }

  /** Sorts the distinct rows by owner, and returns the number of each by its index. */
  #numberByOwner(): Uint32Array {
    const { begins, counts } = this;
    const [distinct, count, processes] = [this.#distinct, this.#count, this.#processes];
    counts.fill(0);
    for (let i = 0; i < count; i++) counts[distinct[i]! % processes]!++;
    for (let r = 1; r < processes; r++) begins[r] = begins[r - 1]! + counts[r - 1]!;
    const next = begins.slice();
    const [numbers, sorted] = [this.#takeNumbers(count), this.#takeSorted(count)];
    for (let i = 0; i < count; i++) {
      const number = next[distinct[i]! % processes]!++;
      numbers[i] = number;
      sorted[number] = Math.floor(distinct[i]! / processes);
    }
    this.#sorted = sorted;
    return numbers;
  }
}
