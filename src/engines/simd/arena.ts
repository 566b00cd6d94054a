/** Bytes of a float and of an id. */
export const WORD = 4;
/** Words of the constants of an optimizer's step. */
export const CONSTANT_WORDS = 32;
const ALIGNMENT = 64;

/** Hands out places in one memory before there is a memory: each name once, however often it is asked for. */
export interface Arena {
  /** Byte offset of `words` zeroed words, aligned to a cache line. */
  take(name: string, words: number): number;
  readonly bytes: number;
  /** From now on there is a memory: what has no place yet gets none. */
  seal(): void;
  /** All that was handed out, in the order of addresses. */
  pieces(): readonly Piece[];
}

/** Words that lie together. */
export interface Piece {
  readonly at: number;
  readonly words: number;
}

/** An arena whose places start at `begin`. */
export function createArena(begin: number): Arena {
  const places = new Map<string, Piece>();
  let end = begin;
  let isSealed = false;
  return {
    get bytes() {
      return end;
    },
    take(name, words) {
      const taken = places.get(name);
      if (taken !== undefined) return taken.at;
      if (isSealed) throw new Error(`no memory is allocated for '${name}'`);
      const at = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
      end = at + words * WORD;
      places.set(name, { at, words });
      return at;
    },
    seal: () => void (isSealed = true),
    pieces: () => [...places.values()],
  };
}
