import { fillPlace, hashWord, idAt, indexWords, probe, reserveIds, unhashWord } from '../../core/hash-index.js';
import { sortByCount } from '../../core/sort-by-count.js';

// Raw ids are integers below 2^53 - 1. Those beyond 32 bits, of which the real files have none, are in a Map.

const MAX_WORD = 2 ** 32 - 1;

/** Counts ids with 12 to 24 bytes per distinct id. */
export interface IdCounter {
  add(id: number, times: number): void;
  /** Returns ids with at least `minCount` occurrences by descending count, then ascending id. */
  frequent(minCount: number): Float64Array;
  readonly distinct: number;
}

/** Creates an empty counter of ids. */
export function createIdCounter(): IdCounter {
  /** Counts by the hash of the id. */
  let index: Int32Array = new Int32Array(indexWords(0)!);
  let used = 0;
  const wide = new Map<number, number>();

  const countOf = (id: number): number => {
    const hash = hashWord(id);
    return id > MAX_WORD ? wide.get(id)! : idAt(index, probe(index, hash, hash));
  };

  return {
    add(id, times) {
      if (id > MAX_WORD) return void wide.set(id, (wide.get(id) ?? 0) + times);
      const hash = hashWord(id);
      let place = probe(index, hash, hash);
      const count = idAt(index, place);
      if (count === 0) {
        // Memory ends before the ids of an index.
        index = reserveIds(index, ++used)!;
        place = probe(index, hash, hash);
      }
      fillPlace(index, place, hash, (count + times) | 0);
    },
    frequent(minCount) {
      const all = new Float64Array(used + wide.size);
      let length = 0;
      for (let place = 0; place < index.length / 2; place++)
        if (idAt(index, place) !== 0 && idAt(index, place) >>> 0 >= minCount)
          all[length++] = unhashWord(index[2 * place]!);
      for (const [id, count] of wide) if (count >= minCount) all[length++] = id;
      const ids = all.subarray(0, length).sort();
      const [counts, order] = [Uint32Array.from(ids, countOf), Uint32Array.from(ids, (_, i) => i)];
      sortByCount(order, counts);
      return Float64Array.from(order, (i) => ids[i]!);
    },
    get distinct() {
      return used + wide.size;
    },
  };
}

/** Maps raw ids to vocabulary indices; threads share the index. */
export interface IdTable {
  readonly index: Int32Array;
  readonly wide: ReadonlyMap<number, number>;
}

/** Creates the table of a vocabulary, whose entry i is the raw id of index i; entry 0 is the OOV id. */
export function createIdTable(vocabulary: Float64Array): IdTable {
  const index = new Int32Array(new SharedArrayBuffer(4 * indexWords(vocabulary.length)!));
  const wide = new Map<number, number>();
  for (let i = 1; i < vocabulary.length; i++) {
    const id = vocabulary[i]!;
    const hash = hashWord(id);
    if (id > MAX_WORD) wide.set(id, i);
    else fillPlace(index, probe(index, hash, hash), hash, i);
  }
  return { index, wide };
}

/** Returns the index of a raw id; 0 if it is not in the vocabulary. */
export function lookUp({ index, wide }: IdTable, id: number): number {
  if (id > MAX_WORD) return wide.get(id) ?? 0;
  const hash = hashWord(id);
  return idAt(index, probe(index, hash, hash));
}
